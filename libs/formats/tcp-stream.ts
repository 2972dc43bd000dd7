/** One direction of a TCP connection, put in order again. */

/** A piece of a stream's beginning. */
interface Piece {
  /** Of the first byte, counted from the stream's begin. */
  readonly offset: number;
  readonly bytes: Buffer;
  readonly time: number;
}

/** How far before the first segment seen another one may begin, when the capture lacks the SYN. Bytes. */
const MAX_BEFORE = 1024 * 1024;
/** Pieces of one direction: with full segments far more than any limit on bytes lets in. */
const MAX_PIECES = 8192;

export class TcpStream {
  readonly #limit: number;
  readonly #pieces: Piece[] = [];
  #base: number | null = null;
  #sorted: readonly Piece[] | null = null;
  #kept = 0;

  /** Keeps `limit` bytes from the beginning. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The SYN's sequence number: data begins one later. */
  begin(sequence: number): void {
    this.#base ??= (sequence + 1) >>> 0;
  }

  /** Bytes kept, for a budget that spans streams: 0 for what was seen before or lies beyond the limit. */
  add(sequence: number, payload: Buffer, time: number): number {
    this.#base ??= sequence;
    // Sequence numbers wrap: the difference as a signed 32-bit number is right for 2 GiB either way.
    const offset = (sequence - this.#base) | 0;
    if (offset < -MAX_BEFORE || offset >= this.#limit || this.#pieces.length >= MAX_PIECES) return 0;
    const last = this.#pieces.at(-1);
    if (last?.offset === offset && last.bytes.length >= payload.length) return 0;
    const bytes = Buffer.from(payload.subarray(0, this.#limit - offset));
    if (this.#kept + bytes.length > 2 * this.#limit) return 0;
    this.#kept += bytes.length;
    this.#pieces.push({ offset, bytes, time });
    this.#sorted = null;
    return bytes.length;
  }

  /** Everything up to the first hole. Where segments overlap the one seen first wins. */
  bytes(): Buffer {
    return Buffer.concat(this.#inOrder().map(({ bytes }) => bytes));
  }

  /** Unix seconds at which the byte at `offset` of `bytes()` was sent. */
  timeAt(offset: number): number {
    let time = 0;
    let at = 0;
    for (const piece of this.#inOrder()) {
      if (at > offset) break;
      time = piece.time;
      at += piece.bytes.length;
    }
    return time;
  }

  #inOrder(): readonly Piece[] {
    if (this.#sorted !== null) return this.#sorted;
    const ordered: Piece[] = [];
    let at: number | null = null;
    for (const piece of this.#pieces.toSorted((a, b) => a.offset - b.offset)) {
      at ??= Math.min(0, piece.offset);
      if (piece.offset > at) break;
      const bytes = piece.bytes.subarray(Math.min(piece.bytes.length, at - piece.offset));
      if (bytes.length === 0) continue;
      ordered.push({ offset: at, bytes, time: piece.time });
      at += bytes.length;
    }
    return (this.#sorted = ordered);
  }
}
