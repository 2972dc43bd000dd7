import { Reassembly } from './reassembly.js';
import { type Budget, ReceiveBuffer } from './receive-buffer.js';
import { before, FIN, type Segment } from './tcp-segment.js';
import type { ConnectionClass } from './tcp-types.js';

/** Our window scale: 65535 << 7 is more than any class offers. */
export const SCALE = 7;

/** What came of a segment's payload. */
export type Taken = 'nothing' | 'in order' | 'ahead of a gap';

/** The receiving half of a connection: what arrived, in order, and how much more may come. */
export class TcpReceiver {
  readonly inbox: ReceiveBuffer;
  /** The guest has sent everything, and all of it is in the inbox or read. */
  ended = false;
  /** Payload in order so far. */
  bytes = 0;
  /** Everything before it has arrived. */
  next = 0;
  private readonly ahead: Reassembly;
  /** Nothing from here on was allowed yet. */
  private edge = 0;
  private scale = 0;
  private finAt: number | null = null;

  constructor(
    private readonly kind: ConnectionClass,
    private readonly budget: Budget,
  ) {
    this.inbox = new ReceiveBuffer(budget);
    this.ahead = new Reassembly(budget);
  }

  get scales(): boolean {
    return this.scale > 0;
  }

  start(syn: Segment): void {
    this.next = this.edge = (syn.seq + 1) | 0;
    this.scale = syn.scale < 0 ? 0 : SCALE;
  }

  /** The window of a SYN is never scaled. */
  firstWindow(): number {
    const space = Math.min(65_535, this.kind.receiveWindow);
    this.edge = (this.next + space) | 0;
    return space;
  }

  /** Is nothing of the segment what we wait for? (RFC 9293 section 3.4) */
  isOutside(s: Segment): boolean {
    const after = (s.seq + s.end - s.start + (s.flags & FIN)) | 0;
    return before(after, this.next) || before(this.edge, s.seq);
  }

  take(s: Segment): Taken {
    if (this.finAt !== null && !before(s.seq, this.finAt)) return 'nothing';
    // The guest sends it again; by then some of the rest may have been read.
    if (this.budget.used > this.budget.limit) return 'nothing';
    const start = s.start + Math.max(0, (this.next - s.seq) | 0);
    const end = Math.min(s.end, s.start + ((this.edge - s.seq) | 0));
    if (start >= end) return 'nothing';
    if (before(this.next, s.seq)) {
      this.ahead.insert(s.seq, s.bytes, start, end);
      return 'ahead of a gap';
    }
    this.append(s.bytes, start, end);
    while (this.ahead.length > 0) {
      const piece = this.ahead.next(this.next);
      if (piece === null) break;
      this.append(piece, 0, piece.length);
    }
    return 'in order';
  }

  /** Notes the segment's FIN. True once, when everything before it has arrived. */
  takeFin(s: Segment): boolean {
    if ((s.flags & FIN) !== 0) this.finAt ??= (s.seq + s.end - s.start) | 0;
    if (this.ended || this.next !== this.finAt) return false;
    this.next = (this.next + 1) | 0;
    this.ended = true;
    return true;
  }

  /** The window to tell, moving the edge: never back, and not by crumbs (RFC 9293 section 3.8.6.2.2). */
  window(unread: number): number {
    const known = (this.edge - this.next) | 0;
    const free = this.freeSpace(unread);
    const worthIt = free - known >= Math.min(this.kind.receiveWindow / 2, this.kind.mss);
    const offered = Math.min(worthIt ? Math.max(free, known) : known, 65_535 << this.scale);
    const window = offered >> this.scale;
    const edge = (this.next + (window << this.scale)) | 0;
    if (before(this.edge, edge)) this.edge = edge;
    return window;
  }

  /** Has the window become so much wider by reading that the guest should know? */
  hasNews(unread: number): boolean {
    const known = (this.edge - this.next) | 0;
    const { mss, receiveWindow } = this.kind;
    const worthIt = known < mss ? Math.min(receiveWindow / 2, mss) : Math.max(receiveWindow / 4, mss);
    return !this.ended && this.freeSpace(unread) - known >= worthIt;
  }

  clear(): void {
    this.inbox.clear();
    this.ahead.clear();
  }

  /** No more will come, but what is in order may still be read. */
  forgetAhead(): void {
    this.ahead.clear();
  }

  private append(bytes: Buffer, start: number, end: number): void {
    this.inbox.append(bytes, start, end);
    this.next = (this.next + end - start) | 0;
    this.bytes += end - start;
  }

  private freeSpace(unread: number): number {
    return Math.max(0, this.kind.receiveWindow - this.inbox.length - this.ahead.length - unread);
  }
}
