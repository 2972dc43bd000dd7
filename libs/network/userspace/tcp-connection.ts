import { RetransmissionTimeout } from './retransmission.js';
import { SendQueue } from './send-queue.js';
import { ACK, before, FIN, type Outgoing, PSH, RST, type Segment, SYN } from './tcp-segment.js';
import { SCALE, TcpReceiver } from './tcp-receiver.js';
import type { ConnectionClass, Endpoints, TcpHost, TcpState, TcpUser } from './tcp-types.js';
import type { Sleeper } from './timers.js';

/** A guest that was just resumed answers within milliseconds: ask often at first. */
const DIAL_RETRY_MS = 20;
const MAX_DIAL_RETRY_MS = 500;
const HANDSHAKE_TRIES = 5;
/** Nothing that was sent was acknowledged for so long. */
const GIVE_UP_MS = 60_000;
/** Longer than the pause between two tries to send a last segment: there is no network between us. */
const TIME_WAIT_MS = 10_000;
/** How long the guest may take to take the rest and close its half once the application is gone. */
const ORPHAN_MS = 5000;
/** Below the shortest time between two probes of a guest for our window. */
const STRAY_MS = 100;
/** RFC 5681 section 3.2. */
const DUPLICATES_MEAN_LOSS = 3;
/** Duplicate acknowledgements per batch; the guest needs three. */
const MAX_DUPLICATE_ACKS = 16;
/** RFC 9293 section 3.7.1. */
const DEFAULT_MSS = 536;
/** Above this a congestion window says nothing any more. */
const FULL_SPEED = 4 * 1024 * 1024;

/**
 * One TCP connection (RFC 9293) without timers, sockets or packets of its own: segments and time come in, segments go
 * out through the host. There is no network between the guest and us, so nothing is ever congested: the sending side
 * starts at full speed and slows down only after a time-out, when the guest evidently cannot keep up.
 */
export class TcpConnection implements Sleeper {
  queuedAt = Infinity;
  user: TcpUser | null = null;
  dirty = false;
  readonly receiver: TcpReceiver;

  private current: TcpState = 'closed';
  private readonly outbox = new SendQueue();
  private readonly timeout = new RetransmissionTimeout();

  // Sending: [una, nxt) is under way, `top` the highest ever sent, `base` where the outbox begins.
  private una: number;
  private nxt: number;
  private top: number;
  private base: number;
  private window = 0;
  private windowSeq = 0;
  private windowAck = 0;
  private sendScale = 0;
  private mss = DEFAULT_MSS;
  private congestionWindow = Infinity;
  private finishing = false;
  private finAcked = false;
  private duplicates = 0;
  private recoverUntil: number | null = null;
  private timedEnd: number | null = null;
  private timedAt = 0;

  private acksOwed = 0;
  private duplicateAcksOwed = 0;
  private closedFirst = false;
  private strayAnsweredAt = -Infinity;

  // Deadlines; Infinity = none.
  private retransmitAt = Infinity;
  private probeAt = Infinity;
  private orphanUntil = Infinity;
  private handshakeTries = 0;
  private progressAt: number;
  private ackedAt: number;

  constructor(
    private readonly host: TcpHost,
    readonly endpoints: Endpoints,
    readonly kind: ConnectionClass,
    initialSequence: number,
  ) {
    this.receiver = new TcpReceiver(kind, host.budget);
    this.una = this.nxt = this.top = initialSequence | 0;
    this.base = (this.una + 1) | 0;
    this.progressAt = this.ackedAt = host.now();
  }

  get state(): TcpState {
    return this.current;
  }

  /** Bytes the application may still add before it should wait. */
  get sendRoom(): number {
    return this.kind.sendBuffer - this.outbox.length;
  }

  /** Has the guest acknowledged everything, the end included? */
  get finished(): boolean {
    return this.finAcked;
  }

  /** Begins a handshake towards the guest. */
  connect(): void {
    this.move('syn-sent');
    this.nxt = this.top = this.base;
    this.sendSyn();
  }

  /** Answers the guest's SYN. */
  accept(syn: Segment): void {
    this.takeSyn(syn);
    this.move('syn-received');
    this.nxt = this.top = this.base;
    this.sendSyn();
  }

  /** Copies the payload that an Outgoing names into its frame. */
  copyPayload(segment: Outgoing, target: Buffer, at: number): void {
    this.outbox.copy(segment.offset, segment.length, target, at);
  }

  send(chunk: Buffer): void {
    if (this.finishing || this.current === 'closed') return;
    this.outbox.push(chunk);
    this.host.touch(this);
  }

  /** No more will be sent. */
  finish(): void {
    if (this.finishing) return;
    this.finishing = true;
    this.host.touch(this);
  }

  /** The application has read: is the window now so much wider that the guest should know? */
  consumed(): void {
    if (this.current !== 'open' || !this.receiver.hasNews(this.unread)) return;
    this.acksOwed++;
    this.host.touch(this);
  }

  /** The application has closed and read all there is: what it wrote is still delivered, as a kernel would. */
  leave(): void {
    this.user = null;
    if (this.current !== 'open' || this.receiver.inbox.length > 0) {
      this.abandon();
      return;
    }
    this.finish();
    this.orphanUntil = this.host.now() + ORPHAN_MS;
    this.rearm();
  }

  /** The application gave up: whatever is not over is reset. */
  abandon(): void {
    this.user = null;
    this.receiver.clear();
    if (this.current !== 'closed' && this.current !== 'time-wait') this.abort();
  }

  /** RST to the guest; the application is not told. */
  abort(): void {
    if (this.current !== 'closed' && this.current !== 'syn-sent') this.emit(RST | ACK, this.top);
    this.close();
  }

  /** Forgets everything and sends nothing; the application learns why. */
  fail(error: Error): void {
    const { user } = this;
    // What the guest managed to send stays readable; the user clears it when done.
    this.move('closed');
    this.receiver.forgetAhead();
    this.retransmitAt = this.probeAt = this.orphanUntil = Infinity;
    user?.onFailed(error);
  }

  private close(): void {
    this.move('closed');
    this.receiver.clear();
    this.retransmitAt = this.probeAt = this.orphanUntil = Infinity;
  }

  private move(state: TcpState): void {
    if (this.current === state) return;
    this.current = state;
    this.host.changed(this);
  }

  // ---- Receiving

  receive(s: Segment): void {
    switch (this.current) {
      case 'closed':
        return;
      case 'syn-sent':
        this.receiveInSynSent(s);
        return;
      case 'time-wait':
        // Our last acknowledgement was lost: whatever the guest sends again for want of it is acknowledged again.
        if ((s.flags & FIN) === 0 && s.end === s.start) return;
        this.orphanUntil = this.host.now() + TIME_WAIT_MS;
        this.owe();
        return;
      case 'syn-received':
        // Sent again, because the guest did not hear us yet: so say it again, which changes nothing.
        if ((s.flags & (SYN | ACK)) === SYN && s.seq === ((this.receiver.next - 1) | 0)) {
          this.emitSyn();
          return;
        }
        break;
      case 'open':
        break;
    }
    const length = s.end - s.start;
    if (this.receiver.isOutside(s)) {
      if ((s.flags & RST) === 0) this.oweStray(length);
      return;
    }
    if ((s.flags & RST) !== 0) {
      // RFC 5961 section 3.2: only the exact number resets; a real peer answers our challenge with it.
      if (s.seq === this.receiver.next)
        this.fail(connectionError('ECONNRESET', 'the guest reset the connection'));
      else this.owe();
      return;
    }
    if ((s.flags & SYN) !== 0) {
      this.owe();
      return;
    }
    if ((s.flags & ACK) === 0) return;
    if (this.current === 'syn-received' && !this.completeHandshake(s)) return;
    if (!this.takeAck(s, length)) return;
    if (length > 0) this.takeData(s);
    if (this.current === 'open') this.takeFin(s);
  }

  private receiveInSynSent(s: Segment): void {
    if ((s.flags & ACK) !== 0 && s.ack !== this.nxt) {
      // Half-open from the guest's earlier life (RFC 9293 section 3.5.1): clear it there, the next SYN gets through.
      if ((s.flags & RST) === 0) this.emit(RST, s.ack);
      return;
    }
    if ((s.flags & RST) !== 0) {
      if ((s.flags & ACK) !== 0)
        this.fail(connectionError('ECONNREFUSED', 'the guest refused the connection'));
      return;
    }
    if ((s.flags & SYN) === 0) return;
    this.takeSyn(s);
    if ((s.flags & ACK) === 0) {
      this.move('syn-received');
      this.sendSyn();
      return;
    }
    this.una = s.ack;
    this.window = s.window;
    this.open(s);
  }

  private takeSyn(s: Segment): void {
    this.receiver.start(s);
    this.mss = Math.max(64, Math.min(s.mss || DEFAULT_MSS, this.kind.mss));
    this.sendScale = Math.max(0, s.scale);
  }

  private completeHandshake(s: Segment): boolean {
    if (s.ack !== this.nxt) {
      this.emit(RST, s.ack);
      return false;
    }
    this.una = s.ack;
    this.window = s.window << this.sendScale;
    this.open(s);
    return true;
  }

  private open(s: Segment): void {
    this.windowSeq = s.seq;
    this.windowAck = s.ack;
    this.retransmitAt = Infinity;
    this.ackedAt = this.progressAt = this.host.now();
    this.move('open');
    this.owe();
    if (this.user === null) this.host.accepted(this);
    else this.user.onOpened();
  }

  /** Returns false when the segment is to be dropped. */
  private takeAck(s: Segment, length: number): boolean {
    if (before(this.top, s.ack)) {
      this.owe();
      return false;
    }
    const acked = (s.ack - this.una) | 0;
    if (acked < 0) return true;
    const scaled = s.window << this.sendScale;
    const duplicate = acked === 0 && length === 0 && scaled === this.window && (s.flags & FIN) === 0;
    // Also when it is sent again with an old number: else the window would slide with `una` beyond what was allowed.
    const newer =
      before(this.windowSeq, s.seq) || (this.windowSeq === s.seq && !before(s.ack, this.windowAck));
    if (acked > 0 || newer) {
      this.window = scaled;
      this.windowSeq = s.seq;
      this.windowAck = s.ack;
    }
    if (acked > 0) this.advance(s.ack, acked);
    else if (duplicate && this.una !== this.nxt) this.countDuplicate();
    this.host.touch(this);
    return true;
  }

  private advance(ack: number, acked: number): void {
    const now = this.host.now();
    this.una = ack;
    if (before(this.nxt, ack)) this.nxt = ack;
    const bytes = Math.min((ack - this.base) | 0, this.outbox.length);
    if (bytes > 0) {
      this.outbox.drop(bytes);
      this.base = (this.base + bytes) | 0;
      this.progressAt = now;
    }
    if (this.finishing && this.outbox.length === 0 && ack !== this.base) this.finAcked = true;
    this.ackedAt = now;
    this.timeout.progress();
    if (this.timedEnd !== null && !before(ack, this.timedEnd)) {
      this.timeout.sample(now - this.timedAt);
      this.timedEnd = null;
    }
    this.congestionWindow += acked;
    if (this.congestionWindow > FULL_SPEED) this.congestionWindow = Infinity;
    this.duplicates = 0;
    if (this.recoverUntil !== null) {
      // RFC 6582: an acknowledgement short of the end of recovery names the next hole.
      if (before(ack, this.recoverUntil)) this.resendFirst();
      else this.recoverUntil = null;
    }
    this.retransmitAt = this.una === this.nxt ? Infinity : now + this.timeout.ms;
    this.user?.onWritable();
    if (this.finAcked) this.settleEnd();
  }

  private countDuplicate(): void {
    this.duplicates++;
    if (this.duplicates !== DUPLICATES_MEAN_LOSS || this.recoverUntil !== null) return;
    this.recoverUntil = this.top;
    this.resendFirst();
  }

  private takeData(s: Segment): void {
    this.owe();
    if (this.user === null) {
      // Nobody will ever read it (RFC 9293 section 3.6.1): say so.
      this.abort();
      return;
    }
    switch (this.receiver.take(s)) {
      case 'in order':
        this.progressAt = this.host.now();
        return;
      case 'ahead of a gap':
        this.acksOwed--;
        this.duplicateAcksOwed++;
        return;
      case 'nothing':
        return;
    }
  }

  private takeFin(s: Segment): void {
    if ((s.flags & FIN) !== 0) this.owe();
    if (!this.receiver.takeFin(s)) return;
    // Our end left before theirs came: the guest may still miss the acknowledgement of its own.
    this.closedFirst = this.finishing && before((this.base + this.outbox.length) | 0, this.top);
    this.owe();
    if (this.finAcked) this.settleEnd();
  }

  /** Both halves are done: wait for stray segments if the guest may still miss our last ACK. */
  private settleEnd(): void {
    if (!this.receiver.ended || !this.finAcked || this.current !== 'open') return;
    this.sendAcks();
    this.retransmitAt = this.probeAt = this.orphanUntil = Infinity;
    if (!this.closedFirst) {
      this.move('closed');
      return;
    }
    this.move('time-wait');
    this.orphanUntil = this.host.now() + TIME_WAIT_MS;
    this.rearm();
  }

  /** Bare acknowledgements out of place are answered now and then only: two ends that did it always would never stop. */
  private oweStray(length: number): void {
    const now = this.host.now();
    if (length === 0 && now < this.strayAnsweredAt + STRAY_MS) return;
    if (length === 0) this.strayAnsweredAt = now;
    this.owe();
  }

  private owe(): void {
    this.acksOwed++;
    this.host.touch(this);
  }

  // ---- Sending

  /** Hands over what arrived, then sends what may be sent. Called once per batch of packets, however many came. */
  settle(): void {
    if (this.receiver.inbox.length > 0 || this.receiver.ended) this.user?.onReadable();
    if (this.current === 'open') this.sendData();
    this.sendAcks();
    this.rearm();
  }

  private sendData(): void {
    const { host, outbox } = this;
    while (!host.busy) {
      const offset = (this.nxt - this.base) | 0;
      const left = outbox.length - offset;
      const underWay = (this.nxt - this.una) | 0;
      const room = Math.min(this.window, this.congestionWindow) - underWay;
      if (left <= 0 || room <= 0) break;
      const length = Math.min(this.mss, left, room);
      // A crumb, when more could go in one piece once the guest has room (RFC 9293 section 3.8.6.2.1).
      if (length < this.mss && length < left && underWay > 0) break;
      const last = length === left;
      const fin = last && this.finishing ? FIN : 0;
      this.emit(last ? ACK | PSH | fin : ACK, this.nxt, offset, length);
      this.sent(length + fin);
    }
    const rest = outbox.length - ((this.nxt - this.base) | 0);
    if (rest === 0 && this.finishing && !this.finAcked && !host.busy) {
      this.emit(FIN | ACK, this.nxt);
      this.sent(1);
    }
    const atEnd = rest <= 0;
    if (host.busy && (!atEnd || (rest === 0 && this.finishing))) host.waitForRoom(this);
    // Nothing is under way that would bring an acknowledgement, yet there is more: ask for the window.
    if (this.una !== this.nxt || atEnd || host.busy) this.probeAt = Infinity;
    else if (this.probeAt === Infinity) this.probeAt = host.now() + this.timeout.ms;
  }

  private sent(count: number): void {
    const now = this.host.now();
    const fresh = this.nxt === this.top;
    this.nxt = (this.nxt + count) | 0;
    if (before(this.top, this.nxt)) this.top = this.nxt;
    if (this.una === ((this.nxt - count) | 0)) this.ackedAt = now;
    // Karn's rule: only what was sent once tells a round trip.
    if (fresh && this.timedEnd === null) {
      this.timedEnd = this.nxt;
      this.timedAt = now;
    }
    if (this.retransmitAt === Infinity) this.retransmitAt = now + this.timeout.ms;
  }

  private resendFirst(): void {
    this.timedEnd = null;
    const length = Math.min(this.mss, this.outbox.length);
    if (length > 0) this.emit(ACK, this.una, (this.una - this.base) | 0, length);
    else if (this.finishing && !this.finAcked) this.emit(FIN | ACK, this.una);
  }

  private sendAcks(): void {
    if (this.current === 'closed' || this.current === 'syn-sent') return;
    // One acknowledgement per batch does for everything in order; each gap is told apart, so that the guest may count.
    const count =
      Math.min(MAX_DUPLICATE_ACKS, this.duplicateAcksOwed) || Math.min(1, Math.max(0, this.acksOwed));
    // From the highest number used: after a time-out `nxt` is back where the guest would take it for old news.
    for (let i = 0; i < count; i++) this.emit(ACK, this.top);
    this.acksOwed = this.duplicateAcksOwed = 0;
  }

  private sendSyn(): void {
    this.handshakeTries++;
    this.emitSyn();
    const wait = this.current === 'syn-received' ? this.timeout.ms : dialRetry(this.handshakeTries);
    this.retransmitAt = this.host.now() + wait;
    this.rearm();
  }

  private emitSyn(): void {
    const answer = this.current === 'syn-received';
    const scaled = !answer || this.receiver.scales;
    this.host.emit(this, {
      flags: answer ? SYN | ACK : SYN,
      seq: (this.base - 1) | 0,
      ack: answer ? this.receiver.next : 0,
      window: answer ? this.receiver.firstWindow() : Math.min(65_535, this.kind.receiveWindow),
      length: 0,
      offset: 0,
      mss: this.kind.mss,
      scale: scaled ? SCALE : -1,
    });
  }

  private emit(flags: number, seq: number, offset = 0, length = 0): void {
    const window = this.receiver.window(this.unread);
    if ((flags & RST) === 0) this.acksOwed = 0;
    const ack = (flags & ACK) === 0 ? 0 : this.receiver.next;
    this.host.emit(this, { flags, seq, ack, window, length, offset });
  }

  private get unread(): number {
    return this.user?.unread ?? 0;
  }

  // ---- Time

  wake(now: number): number {
    if (now >= this.idleUntil()) {
      const error = connectionError('ETIMEDOUT', 'the connection was idle too long');
      this.emit(RST | ACK, this.top);
      this.fail(error);
    }
    if (now >= this.orphanUntil) {
      if (this.current === 'time-wait') this.close();
      else this.abort();
    }
    if (now >= this.retransmitAt) this.retransmit(now);
    if (now >= this.probeAt) {
      // One behind the window: whatever the guest's window is, it must answer with it.
      this.emit(ACK, (this.una - 1) | 0);
      this.timeout.expired();
      this.probeAt = now + this.timeout.ms;
    }
    return this.nextDeadline();
  }

  private retransmit(now: number): void {
    this.retransmitAt = Infinity;
    switch (this.current) {
      case 'closed':
      case 'time-wait':
        return;
      case 'syn-sent':
        this.sendSyn();
        return;
      case 'syn-received':
        this.timeout.expired();
        if (this.handshakeTries < HANDSHAKE_TRIES) this.sendSyn();
        else this.fail(connectionError('ETIMEDOUT', 'the guest did not complete the handshake'));
        return;
      case 'open':
        break;
    }
    if (now - this.ackedAt > GIVE_UP_MS) {
      this.emit(RST | ACK, this.top);
      this.fail(connectionError('ETIMEDOUT', 'the guest stopped acknowledging'));
      return;
    }
    this.timeout.expired();
    if (this.host.busy) {
      // It may not even have left: nothing is lost yet.
      this.retransmitAt = now + this.timeout.ms;
      return;
    }
    this.timedEnd = null;
    this.recoverUntil = null;
    this.duplicates = 0;
    this.nxt = this.una;
    this.congestionWindow = this.mss;
    this.host.touch(this);
  }

  private idleUntil(): number {
    return this.current === 'open' ? this.progressAt + this.kind.idleMs : Infinity;
  }

  private nextDeadline(): number {
    if (this.current === 'closed') return Infinity;
    return Math.min(this.retransmitAt, this.probeAt, this.orphanUntil, this.idleUntil());
  }

  private rearm(): void {
    this.host.arm(this, this.nextDeadline());
  }
}

function dialRetry(tries: number): number {
  return Math.min(MAX_DIAL_RETRY_MS, DIAL_RETRY_MS * 2 ** Math.min(10, tries - 1));
}

export function connectionError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
