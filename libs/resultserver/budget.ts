import type { Limits } from './limits.js';

/** Counts what one task has used of its limits, and says what is left. No IO, no clock. */
export class Budget {
  #files = 0;
  #bytes = 0;

  constructor(private readonly limits: Limits) {}

  get files(): number {
    return this.#files;
  }

  /** Stored, over all streams. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes one file; false when the task has had all of its files. */
  takeFile(): boolean {
    if (this.#files >= orEndless(this.limits.files)) return false;
    this.#files += 1;
    return true;
  }

  /** Takes up to `wanted` bytes for a stream that holds `stored` of at most `limit`. Gives how many were left. */
  takeBytes(wanted: number, stored: number, limit: number): number {
    const left = Math.min(orEndless(limit) - stored, orEndless(this.limits.totalBytes) - this.#bytes);
    const taken = Math.max(0, Math.min(wanted, left));
    this.#bytes += taken;
    return taken;
  }
}

/** Cuckoo writes "no limit" as 0. */
function orEndless(limit: number): number {
  return limit === 0 ? Infinity : limit;
}
