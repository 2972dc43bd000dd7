import type { Duplex } from 'node:stream';
import { ProtocolError } from '#domain/errors.js';

/** The next bytes, or null at the end. */
export type Read = () => Promise<Buffer | null>;

/** One guest's stream, read a chunk at a time, each within a time. Reading is what lets more in: back-pressure. */
export class Incoming {
  readonly #chunks: AsyncIterator<Buffer>;
  #received = 0;
  #lastAt = Date.now();

  constructor(private readonly stream: Duplex) {
    // Errors come out of the iterator; this listener is for those between and after reads, which nobody awaits.
    stream.on('error', () => undefined);
    // Not closed at its end: the guest sees us close only when what it sent is stored.
    this.#chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  }

  /** Bytes so far. */
  get received(): number {
    return this.#received;
  }

  /** Milliseconds since the last byte, or since the connection when there was none. */
  get silentMs(): number {
    return Date.now() - this.#lastAt;
  }

  /**
   * The next bytes, or null when the guest has ended its stream.
   *
   * @param ms how long the guest may take; Infinity for as long as the task runs
   * @throws ProtocolError when it takes longer, the stream's error when it broke; the stream is then gone
   */
  async read(ms: number): Promise<Buffer | null> {
    const late = () => this.stream.destroy(new ProtocolError('the guest went silent', this.#received));
    const timer = ms === Infinity ? undefined : setTimeout(late, Math.max(0, ms));
    try {
      const next = await this.#chunks.next();
      if (next.done) return null;
      this.#received += next.value.length;
      this.#lastAt = Date.now();
      return next.value;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** `first`, then what `read` gives. */
export function after(first: Buffer, read: Read): Read {
  let waiting: Buffer | null = first;
  return async () => {
    const chunk = waiting;
    waiting = null;
    return chunk !== null && chunk.length > 0 ? chunk : read();
  };
}
