import { randomFillSync } from 'node:crypto';
import type { Clock } from './clock.js';
import type { Ipv4Packet } from './ipv4.js';
import { type Budget } from './receive-buffer.js';
import { TcpConnection } from './tcp-connection.js';
import type { ConnectionClass, Endpoints, TcpHost } from './tcp-types.js';
import { ACK, type Outgoing, RST, type Segment, SYN } from './tcp-segment.js';
import { TcpStream } from './tcp-stream.js';
import { TimerQueue } from './timers.js';

/** Unread and out-of-order bytes of all connections together. Above it new data waits in the guest. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/** What to do with a SYN to an address nobody listens on: take it as this class, say RST, or say nothing. */
export type Admission = ConnectionClass | 'refuse' | 'ignore';

export interface TcpStackOptions {
  readonly clock: Clock;
  readonly maxBuffered?: number;
  /** Is the link behind? Connections then wait for `room()`. */
  busy(): boolean;
  /** Takes a finished segment; the payload is copied out of `connection` with `copyPayload`. */
  transmit(endpoints: Endpoints, segment: Outgoing, payload: TcpConnection | null): void;
  /** Decides about a SYN, and whether strays to an address deserve a RST. */
  admit(destination: number, port: number): Admission;
  accepted(stream: TcpStream, kind: ConnectionClass): void;
  /** Called after the connections have had their say: hand the frames to the link. */
  flush(): void;
}

/**
 * All connections of one guest. One end of each is the guest: so the other end's address, then the two ports, find it.
 * Packets are taken in batches; whatever a batch brings, each connection it touched speaks once at the end of it.
 */
export class TcpStack implements TcpHost {
  readonly budget: Budget;
  private readonly timers: TimerQueue;
  private readonly peers = new Map<number, Map<number, TcpConnection>>();
  private readonly open = new Map<ConnectionClass, number>();
  private readonly halfOpen = new Set<TcpConnection>();
  private readonly timeWait = new Set<TcpConnection>();
  private readonly waiting = new Set<TcpConnection>();
  private touched: TcpConnection[] = [];
  private inBatch = false;
  private settling = false;
  private last: TcpConnection | null = null;
  private time: number;

  constructor(private readonly options: TcpStackOptions) {
    this.budget = { used: 0, limit: options.maxBuffered ?? MAX_BUFFERED_BYTES };
    this.timers = new TimerQueue(options.clock);
    this.time = options.clock.now();
  }

  /** Connections of all states. */
  get size(): number {
    let size = 0;
    for (const ports of this.peers.values()) size += ports.size;
    return size;
  }

  /** Runs `work`, which calls `input` for packets, then lets every connection it touched speak. */
  batch(work: () => void): void {
    this.inBatch = true;
    this.time = this.options.clock.now();
    try {
      work();
    } finally {
      this.inBatch = false;
      this.settle();
    }
  }

  input(packet: Ipv4Packet, segment: Segment): void {
    const connection = this.find(packet, segment);
    if (connection === null) {
      this.stray(packet, segment);
      return;
    }
    const { state } = connection;
    const freshSyn = (segment.flags & (SYN | ACK | RST)) === SYN;
    if (state === 'time-wait' && freshSyn) {
      // The guest uses its port again: nothing of the old connection is left that could be mistaken.
      connection.abandon();
      this.forget(connection);
      this.stray(packet, segment);
      return;
    }
    connection.receive(segment);
  }

  /** Begins a connection; the stream emits `connect`, or is destroyed with the reason. */
  dial(endpoints: Endpoints, kind: ConnectionClass): TcpStream {
    const connection = new TcpConnection(this, endpoints, kind, initialSequence());
    this.add(connection);
    const stream = new TcpStream(connection);
    connection.connect();
    this.schedule();
    return stream;
  }

  /** May a connection from here be dialled? */
  isFree(endpoints: Endpoints): boolean {
    return !(this.peers.get(peerKey(endpoints))?.has(portKey(endpoints)) ?? false);
  }

  /** Ends every connection that `matches`: the link is gone, so nothing is sent, or the task is over. */
  drop(error: Error, matches: (kind: ConnectionClass) => boolean = () => true): void {
    for (const ports of this.peers.values()) {
      for (const connection of ports.values()) if (matches(connection.kind)) connection.fail(error);
    }
  }

  /** The link takes frames again. */
  room(): void {
    if (this.waiting.size === 0) return;
    for (const connection of this.waiting) this.touch(connection);
    this.waiting.clear();
  }

  close(): void {
    this.timers.clear();
  }

  // ---- What connections ask for

  get busy(): boolean {
    return this.options.busy();
  }

  now(): number {
    return this.inBatch || this.settling ? this.time : this.options.clock.now();
  }

  emit(connection: TcpConnection, segment: Outgoing): void {
    this.options.transmit(connection.endpoints, segment, segment.length > 0 ? connection : null);
    if (!this.inBatch && !this.settling) this.schedule();
  }

  touch(connection: TcpConnection): void {
    if (connection.dirty) return;
    connection.dirty = true;
    this.touched.push(connection);
    if (!this.inBatch) this.schedule();
  }

  waitForRoom(connection: TcpConnection): void {
    this.waiting.add(connection);
  }

  arm(connection: TcpConnection, at: number): void {
    this.timers.arm(connection, at);
  }

  accepted(connection: TcpConnection): void {
    this.options.accepted(new TcpStream(connection), connection.kind);
  }

  changed(connection: TcpConnection): void {
    this.halfOpen.delete(connection);
    this.timeWait.delete(connection);
    switch (connection.state) {
      case 'syn-received':
        this.halfOpen.add(connection);
        return;
      case 'time-wait':
        this.timeWait.add(connection);
        return;
      case 'closed':
        this.forget(connection);
        return;
      case 'syn-sent':
      case 'open':
        return;
    }
  }

  // ---- Inside

  private scheduled = false;

  /** What the application does outside a batch goes out at the end of this turn, in one write. */
  private schedule(): void {
    if (this.scheduled || this.settling) return;
    this.scheduled = true;
    process.nextTick(() => {
      this.scheduled = false;
      this.time = this.options.clock.now();
      this.settle();
    });
  }

  private settle(): void {
    if (this.settling) return;
    this.settling = true;
    try {
      // Reading may make an application write at once: it joins this round.
      while (this.touched.length > 0) {
        const round = this.touched;
        this.touched = [];
        for (const connection of round) {
          connection.dirty = false;
          connection.settle();
        }
      }
    } finally {
      this.settling = false;
      this.options.flush();
    }
  }

  private find(packet: Ipv4Packet, segment: Segment): TcpConnection | null {
    const { last } = this;
    if (last !== null && last.state !== 'closed' && belongs(last.endpoints, packet, segment)) return last;
    const peer = packet.source ^ packet.destination;
    const ports = (segment.destinationPort << 16) | segment.sourcePort;
    const found = this.peers.get(peer)?.get(ports) ?? null;
    if (found === null || !belongs(found.endpoints, packet, segment)) return null;
    this.last = found;
    return found;
  }

  private stray(packet: Ipv4Packet, segment: Segment): void {
    const admission = this.options.admit(packet.destination, segment.destinationPort);
    if (admission === 'ignore' || (segment.flags & RST) !== 0) return;
    const endpoints: Endpoints = {
      localIp: packet.destination,
      localPort: segment.destinationPort,
      remoteIp: packet.source,
      remotePort: segment.sourcePort,
    };
    const isSyn = (segment.flags & (SYN | ACK)) === SYN;
    if (!isSyn || admission === 'refuse' || !this.makeRoom(admission)) {
      this.reset(endpoints, segment);
      return;
    }
    const connection = new TcpConnection(this, endpoints, admission, initialSequence());
    this.add(connection);
    connection.accept(segment);
  }

  /** False when the class is full of live connections; one that is over or was never finished makes room. */
  private makeRoom(kind: ConnectionClass): boolean {
    const isFull = (): boolean => (this.open.get(kind) ?? 0) >= kind.max;
    if (isFull()) evictOldest(this.timeWait, kind);
    if (isFull()) evictOldest(this.halfOpen, kind);
    return !isFull();
  }

  /** RFC 9293 section 3.5.2: a stray that acknowledges is told by its own number, another by ours. */
  private reset(endpoints: Endpoints, segment: Segment): void {
    const acknowledges = (segment.flags & ACK) !== 0;
    const length = segment.end - segment.start + ((segment.flags & SYN) !== 0 ? 1 : 0) + (segment.flags & 1);
    this.options.transmit(
      endpoints,
      {
        flags: acknowledges ? RST : RST | ACK,
        seq: acknowledges ? segment.ack : 0,
        ack: acknowledges ? 0 : (segment.seq + length) | 0,
        window: 0,
        length: 0,
        offset: 0,
      },
      null,
    );
  }

  private add(connection: TcpConnection): void {
    const key = peerKey(connection.endpoints);
    const ports = this.peers.get(key) ?? new Map<number, TcpConnection>();
    this.peers.set(key, ports);
    ports.set(portKey(connection.endpoints), connection);
    this.open.set(connection.kind, (this.open.get(connection.kind) ?? 0) + 1);
  }

  private forget(connection: TcpConnection): void {
    const key = peerKey(connection.endpoints);
    const ports = this.peers.get(key);
    if (ports?.get(portKey(connection.endpoints)) !== connection) return;
    ports.delete(portKey(connection.endpoints));
    if (ports.size === 0) this.peers.delete(key);
    this.open.set(connection.kind, (this.open.get(connection.kind) ?? 1) - 1);
    this.waiting.delete(connection);
    if (this.last === connection) this.last = null;
  }
}

function evictOldest(connections: ReadonlySet<TcpConnection>, kind: ConnectionClass): void {
  for (const connection of connections) {
    if (connection.kind !== kind) continue;
    connection.fail(new Error('too many connections'));
    return;
  }
}

function belongs(endpoints: Endpoints, packet: Ipv4Packet, segment: Segment): boolean {
  return (
    endpoints.localPort === segment.destinationPort &&
    endpoints.remotePort === segment.sourcePort &&
    endpoints.localIp === packet.destination &&
    endpoints.remoteIp === packet.source
  );
}

function peerKey(endpoints: Endpoints): number {
  return endpoints.localIp ^ endpoints.remoteIp;
}

function portKey(endpoints: Endpoints): number {
  return (endpoints.localPort << 16) | endpoints.remotePort;
}

/** Random numbers, many at a time: one system call for each would cost more than the rest of a handshake. */
const randomPool = new Int32Array(1024);
let randomUsed = randomPool.length;

function initialSequence(): number {
  if (randomUsed === randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  return randomPool[randomUsed++] ?? 0;
}
