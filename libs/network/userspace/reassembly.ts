import type { Budget } from './receive-buffer.js';
import { before } from './tcp-segment.js';

/** Pieces held per connection; the guest sends again what does not fit. */
const MAX_PIECES = 256;

interface Piece {
  readonly seq: number;
  readonly bytes: Buffer;
}

/** Segments that arrived ahead of a gap: sorted, not overlapping. What came first stays. */
export class Reassembly {
  private pieces: Piece[] = [];
  private bytes = 0;

  constructor(private readonly budget: Budget) {}

  get length(): number {
    return this.bytes;
  }

  /** Keeps what of [start, end) is new. The caller has cut it to the window. */
  insert(seq: number, source: Buffer, start: number, end: number): void {
    let at = this.pieces.findIndex((piece) => before(seq, endOf(piece)));
    if (at === -1) at = this.pieces.length;
    let from = start;
    while (from < end && this.pieces.length < MAX_PIECES) {
      const position = (seq + from - start) | 0;
      const next = this.pieces[at];
      const room = next === undefined ? end - from : Math.min(end - from, (next.seq - position) | 0);
      if (room > 0) {
        const copy = Buffer.allocUnsafeSlow(room);
        source.copy(copy, 0, from, from + room);
        this.pieces.splice(at, 0, { seq: position, bytes: copy });
        this.count(room);
        from += room;
        at++;
      }
      if (next === undefined) return;
      from = Math.max(from, start + ((endOf(next) - seq) | 0));
      at++;
    }
  }

  /** The piece that covers `seq`, cut to begin there; null while there is still a gap. Older pieces are forgotten. */
  next(seq: number): Buffer | null {
    for (let first = this.pieces[0]; first !== undefined; first = this.pieces[0]) {
      if (before(seq, first.seq)) return null;
      this.pieces.shift();
      this.count(-first.bytes.length);
      if (before(seq, endOf(first))) return first.bytes.subarray((seq - first.seq) | 0);
    }
    return null;
  }

  clear(): void {
    this.count(-this.bytes);
    this.pieces = [];
  }

  private count(bytes: number): void {
    this.bytes += bytes;
    this.budget.used += bytes;
  }
}

function endOf(piece: Piece): number {
  return (piece.seq + piece.bytes.length) | 0;
}
