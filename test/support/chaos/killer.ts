import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Crashing } from './services.js';
import { Supervised } from './supervised.js';

export type Victim = Supervised | Pick<Crashing, 'name' | 'crash'>;

export interface KillerOptions {
  /** Milliseconds between two kills: the shortest and the longest. */
  readonly peaceMs: readonly [number, number];
  /** Before a kill, and when the service is back. */
  readonly onKill?: () => void;
}

/** Kills at random, one at a time, each in turn, in another order every time: all are killed about as often. */
export class Killer {
  readonly #calm = new AbortController();
  readonly #done: Promise<void>;
  readonly #killed = new Set<string>();
  #at: Promise<unknown> = Promise.resolve();

  /** `victims` is asked before every kill: whoever is there then. */
  constructor(
    private readonly victims: () => readonly Victim[],
    private readonly options: KillerOptions,
  ) {
    this.#done = this.#kill();
  }

  /** Runs `work` while nothing is killed. @throws what it does */
  async between<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#at.then(work);
    this.#at = result.catch(() => {}); // whoever asked for it is told
    return result;
  }

  /** @throws what went wrong in a service that came back */
  async stop(): Promise<void> {
    this.#calm.abort();
    await this.#done;
  }

  async #kill(): Promise<void> {
    const { peaceMs, onKill = () => {} } = this.options;
    for (;;) {
      const signal = this.#calm.signal;
      const peace = await sleep(randomInt(...peaceMs), false, { signal }).catch(() => true);
      if (peace) return;
      await this.between(async () => {
        const victim = this.#choose();
        onKill();
        if (victim instanceof Supervised) victim.kill();
        else await victim?.crash();
        onKill();
      });
    }
  }

  #choose(): Victim | undefined {
    const all = this.victims();
    if (all.every(({ name }) => this.#killed.has(name))) this.#killed.clear();
    const left = all.filter(({ name }) => !this.#killed.has(name));
    const victim = left.length === 0 ? undefined : left[randomInt(left.length)];
    if (victim !== undefined) this.#killed.add(victim.name);
    return victim;
  }
}
