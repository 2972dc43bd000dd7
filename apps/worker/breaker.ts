/** Failures in a row, on whichever machines, after which the host itself is the suspect. */
const THRESHOLD = 5;
/** Milliseconds before one task is let through to try; doubles with each failure. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;

/**
 * Stops a host whose analyses fail one after the other for reasons that are not the sample's: it would drain the queue
 * faster than a working host. One task at a time tries whether it works again.
 */
export class Breaker {
  #failures = 0;
  #last = '';
  #openUntil = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = 0;
  }

  failed(why: string): void {
    this.#last = why;
    // What began before the host was stopped fails with it, and says nothing about whether it works again.
    if (this.now() < this.#openUntil) return;
    this.#failures += 1;
    if (this.#failures < THRESHOLD) return;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - THRESHOLD), LONGEST_PAUSE_MS);
    this.#openUntil = this.now() + pause;
  }

  /** Why no task should begin while `running` run; null: one may. */
  blocks(running: number): string | null {
    if (this.#failures < THRESHOLD) return null;
    if (this.now() >= this.#openUntil && running === 0) return null;
    return `the last ${this.#failures} analyses failed for reasons of this host (${this.#last})`;
  }
}
