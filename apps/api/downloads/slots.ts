import { EventEmitter, once } from 'node:events';

/** Work of which only so much may be under way at once. */
export class Slots {
  readonly #freed = new EventEmitter().setMaxListeners(0);

  constructor(private free: number) {}

  /** Waits for a slot, works, and gives it back. @throws when `signal` aborts before that */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    while (this.free === 0) await once(this.#freed, 'freed', { signal });
    this.free--;
    try {
      return await work();
    } finally {
      this.free++;
      this.#freed.emit('freed');
    }
  }
}
