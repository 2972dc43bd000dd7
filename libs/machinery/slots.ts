import { until } from './until.js';

interface Waiting {
  readonly resolve: (slot: Disposable) => void;
}

/** So many at a time; urgent ones before others, otherwise first come, first served. */
export class Slots {
  readonly #urgent: Waiting[] = [];
  readonly #others: Waiting[] = [];
  #free: number;

  constructor(limit: number) {
    this.#free = limit;
  }

  /** A slot, given back by disposing of it. */
  async take(urgency: 'urgent' | 'patient', signal: AbortSignal): Promise<Disposable> {
    const queue = urgency === 'urgent' ? this.#urgent : this.#others;
    return until(signal, (resolve) => {
      const waiting = { resolve };
      queue.push(waiting);
      this.#serve();
      return () => {
        const at = queue.indexOf(waiting);
        if (at !== -1) queue.splice(at, 1);
      };
    });
  }

  #serve(): void {
    while (this.#free > 0) {
      const next = this.#urgent.shift() ?? this.#others.shift();
      if (!next) return;
      this.#free -= 1;
      next.resolve(this.#slot());
    }
  }

  #slot(): Disposable {
    let given = true;
    return {
      [Symbol.dispose]: () => {
        if (!given) return;
        given = false;
        this.#free += 1;
        this.#serve();
      },
    };
  }
}
