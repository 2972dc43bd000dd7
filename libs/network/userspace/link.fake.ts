import type { Duplex } from 'node:stream';
import type { Clock } from './clock.js';
import type { ConnectionClass, Endpoints } from './tcp-types.js';
import type { Outgoing, Segment } from './tcp-segment.js';
import { TcpStack } from './tcp-stack.js';

const HERE = 0x0a000202;
const THERE = 0x0a00020f;
/** Listens on both ends. */
export const PORT = 8000;
export const SMALL: ConnectionClass = {
  receiveWindow: 16_384,
  sendBuffer: 8192,
  mss: 1000,
  idleMs: Infinity,
  max: 16,
};

/** Time that passes only when nothing else is left to do. */
export class VirtualClock implements Clock {
  private time = 1000;
  private events: { readonly at: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  wake(at: number, callback: () => void): () => void {
    const event = { at: Math.max(at, this.time), callback };
    const later = this.events.findIndex((other) => other.at > event.at);
    this.events.splice(later === -1 ? this.events.length : later, 0, event);
    return () => (this.events = this.events.filter((other) => other !== event));
  }

  /** False when nothing will ever happen again. */
  advance(): boolean {
    const next = this.events.shift();
    if (next === undefined) return false;
    this.time = next.at;
    next.callback();
    return true;
  }
}

/** What a link does with a segment: one entry per copy that arrives, as its delay in milliseconds. */
export type Fate = (segment: Segment) => readonly number[];

export interface Pair {
  readonly clock: VirtualClock;
  readonly here: TcpStack;
  readonly there: TcpStack;
  readonly accepted: Duplex[];
  readonly segments: Segment[];
  /** Injects a segment towards `here`. */
  readonly forge: (segment: Partial<Segment>) => void;
}

export function pair(fate: Fate, kind: ConnectionClass = SMALL): Pair {
  const clock = new VirtualClock();
  const accepted: Duplex[] = [];
  const segments: Segment[] = [];
  const stack = (other: () => TcpStack): TcpStack =>
    new TcpStack({
      clock,
      busy: () => false,
      flush: () => undefined,
      admit: (_ip, port) => (port === PORT ? kind : 'refuse'),
      accepted: (stream) => accepted.push(stream),
      transmit: (endpoints, out, connection) => {
        const payload = Buffer.alloc(out.length);
        connection?.copyPayload(out, payload, 0);
        const segment = toSegment(endpoints, out, payload);
        segments.push(segment);
        for (const delay of fate(segment)) {
          clock.wake(clock.now() + delay, () =>
            deliver(other(), endpoints.localIp, endpoints.remoteIp, segment),
          );
        }
      },
    });
  const here = stack(() => there);
  const there: TcpStack = stack(() => here);
  const forge = (segment: Partial<Segment>): void => {
    const whole = {
      ...toSegment({ localIp: THERE, localPort: 0, remoteIp: HERE, remotePort: 0 }, NOTHING),
      ...segment,
    };
    deliver(here, THERE, HERE, whole);
  };
  return { clock, here, there, accepted, segments, forge };
}

const NOTHING: Outgoing = { flags: 0, seq: 0, ack: 0, window: 0, length: 0, offset: 0 };

function toSegment(endpoints: Endpoints, out: Outgoing, bytes = Buffer.alloc(0)): Segment {
  return {
    sourcePort: endpoints.localPort,
    destinationPort: endpoints.remotePort,
    seq: out.seq,
    ack: out.ack,
    flags: out.flags,
    window: out.window,
    mss: out.mss ?? 0,
    scale: out.scale ?? -1,
    bytes,
    start: 0,
    end: bytes.length,
  };
}

function deliver(stack: TcpStack, source: number, destination: number, segment: Segment): void {
  stack.batch(() => stack.input({ source, destination, protocol: 6, start: 0, end: 0 }, segment));
}

export function dial(from: TcpStack, port = PORT): Duplex {
  return from.dial({ localIp: HERE, localPort: 40_000, remoteIp: THERE, remotePort: port }, SMALL);
}

/** Lets promises, then time, run until `done`. */
export async function run(clock: VirtualClock, done: () => boolean, limit = 200_000): Promise<void> {
  for (let i = 0; i < limit; i++) {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (done()) return;
    if (!clock.advance()) throw new Error('nothing is left to happen');
  }
  throw new Error('it takes too long');
}

/** A repeatable stream of numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    state = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((state ^ (state >>> 15)) >>> 0) / 2 ** 32;
  };
}

export function pattern(length: number, seed: number): Buffer {
  const next = random(seed);
  return Buffer.from(Uint8Array.from({ length }, () => Math.floor(next() * 256)));
}
