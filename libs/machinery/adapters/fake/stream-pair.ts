import { Duplex } from 'node:stream';

/** Bytes on their way in each direction before the writer has to wait. */
const WINDOW_BYTES = 64 * 1024;

type Done = (error?: Error) => void;

/** One end of a connection inside this process. */
class End extends Duplex {
  peer: End | null = null;
  /** The peer's write that waits until we have read. */
  #waiting: Done | null = null;
  #saidAll = false;

  constructor() {
    super({ highWaterMark: WINDOW_BYTES });
  }

  /** What the peer writes; `done` when it may write on. */
  receive(chunk: Buffer, done: Done): void {
    if (this.destroyed) done(Object.assign(new Error('the other end is gone'), { code: 'EPIPE' }));
    else if (this.push(chunk)) done();
    else this.#waiting = done;
  }

  override _read(): void {
    const done = this.#waiting;
    this.#waiting = null;
    done?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.peer?.receive(chunk, done);
  }

  override _final(done: () => void): void {
    this.#saidAll = true;
    if (this.peer?.destroyed === false) this.peer.push(null);
    done();
  }

  /** When this side had ended, the peer may still read what it said. Else the peer is gone too, as after a reset. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this._read();
    if (!this.#saidAll) process.nextTick(() => this.peer?.destroy());
    done(error);
  }
}

/**
 * A connection without a network: two streams, each reading what the other writes, with back-pressure. Node 20.19 has
 * no duplexPair, and Node's does not tell one end that the other was destroyed.
 */
export function streamPair(): [Duplex, Duplex] {
  const [left, right] = [new End(), new End()];
  left.peer = right;
  right.peer = left;
  for (const end of [left, right]) end.on('error', () => undefined); // whoever uses it looks at `close`
  return [left, right];
}
