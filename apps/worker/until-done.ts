import { setTimeout as sleep } from 'node:timers/promises';
import { reason, SandboxError } from '#domain/errors.js';
import type { Log } from '../log.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Does `work` again while what it asks is away, until it is done or `signal` aborts; then its error is thrown, as is one
 * that asking again would not mend.
 */
export async function untilDone<T>(
  work: () => Promise<T>,
  { log, again }: { readonly log: Log; readonly again: (error: unknown) => boolean },
  signal: AbortSignal,
): Promise<T> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !again(error)) throw error;
      log('warn', `it is tried again: ${reason(error)}`, { stage: 'end' });
      await sleep(pause, undefined, { signal }).catch(() => {}); // the last try comes after the pause all the same
    }
  }
}

export function isStoreAway(error: unknown): boolean {
  return error instanceof SandboxError && error.code === 'ARTIFACTS_UNAVAILABLE';
}
