/** Milliseconds before the second attempt; each further one waits three times as long, up to the longest. */
const FIRST_MS = 5000;
const GROWTH = 3;
const LONGEST_MS = 2 * 3_600_000;
/** Part of a delay that is left to chance: receivers that were away together are not met by all messages at once. */
const JITTER = 0.2;

/** Attempts of one message: the last one is about a day after the first. */
export const MAX_ATTEMPTS = 18;

/** Milliseconds to wait after attempt `n`, which counts from 1; `chance` is from 0 to 1. */
export function retryDelay(n: number, chance: number): number {
  const delay = Math.min(LONGEST_MS, FIRST_MS * GROWTH ** (n - 1));
  return Math.round(delay * (1 + JITTER * (2 * chance - 1)));
}
