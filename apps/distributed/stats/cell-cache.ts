import { endOf, MINUTE_MS, type Cell } from './periods.js';

/** Values that are kept: those of all steps of all periods, for six hundred nodes. */
const MOST_KEPT = 200_000;
/** Milliseconds after the end of a step in which what happened in it may still be on its way into the database. */
const SETTLING_MS = MINUTE_MS;

/** Values of steps that are past, the last used ones, by what they are of. */
export class CellCache {
  readonly #kept = new Map<string, unknown>();

  constructor(private readonly most = MOST_KEPT) {}

  /** The value of each cell; those that are not kept come from `work`, in the same order. All values of `of` are a `T`. */
  async values<T>(
    of: string,
    cells: readonly Cell[],
    now: Date,
    work: (missing: readonly Cell[]) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const keys = cells.map(({ step, number }) => `${of}/${step}/${number}`);
    const missing = cells.filter((_, index) => !this.#kept.has(keys[index] ?? ''));
    const found = missing.length === 0 ? [] : await work(missing);
    const fresh = new Map(missing.map((cell, index) => [cell, found[index] as T]));
    return cells.map((cell, index) => {
      const key = keys[index] ?? '';
      const value = fresh.has(cell) ? (fresh.get(cell) as T) : (this.#kept.get(key) as T);
      if (endOf(cell).getTime() + SETTLING_MS <= now.getTime()) this.#keep(key, value);
      return value;
    });
  }

  #keep(key: string, value: unknown): void {
    this.#kept.delete(key);
    this.#kept.set(key, value);
    if (this.#kept.size <= this.most) return;
    for (const [oldest] of this.#kept) {
      this.#kept.delete(oldest);
      break;
    }
  }
}
