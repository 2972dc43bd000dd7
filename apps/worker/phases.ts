import type { Phases } from '#domain/artifacts.js';

/** Cuts one analysis into named phases; each lasts from the previous mark to its own. */
export class PhaseClock {
  readonly #durations: Record<string, number> = {};
  #last = performance.now();

  constructor(private readonly onPhase: (phase: string, ms: number) => void) {}

  /** Ends the phase `name` now. A phase met twice adds up. */
  mark(name: string): void {
    const now = performance.now();
    this.add(name, now - this.#last);
    this.#last = now;
  }

  add(name: string, ms: number): void {
    const rounded = Math.round(ms * 10) / 10;
    this.#durations[name] = Math.round(((this.#durations[name] ?? 0) + rounded) * 10) / 10;
    this.onPhase(name, rounded);
  }

  /** Has it ended? */
  has(name: string): boolean {
    return name in this.#durations;
  }

  get durations(): Phases {
    return { ...this.#durations };
  }
}
