import type { Jobs } from './jobs.js';

/** Seconds between two reconciliations. */
const RECONCILE_S = 30;

/**
 * Asks for what is done regularly when its time has come, whichever controllers live. Redis keeps no clock for it, so one
 * that lost everything costs a moment. Of those that ask at once the queue hears one.
 */
export class Rounds {
  readonly #asked = new Map<number | 'house', number>();

  constructor(
    private readonly jobs: Jobs,
    /** Seconds between two looks at a node. */
    private readonly interval: number,
  ) {}

  /** @throws QUEUE_UNAVAILABLE; what was not asked for is asked for again at the next call */
  async ask(nodes: readonly number[]): Promise<void> {
    await this.#askFor('house', RECONCILE_S);
    await Promise.all(nodes.map((node) => this.#askFor(node, this.interval)));
  }

  async #askFor(what: number | 'house', seconds: number): Promise<void> {
    const now = performance.now();
    if (now - (this.#asked.get(what) ?? -Infinity) < seconds * 1000) return;
    if (what === 'house') {
      await this.jobs.oneAtATime();
      await this.jobs.house('reconcile');
    } else {
      await this.jobs.at(what, 'look', [null]);
    }
    this.#asked.set(what, now);
  }
}
