import { setTimeout as sleep } from 'node:timers/promises';
import { QueryFailedError } from 'typeorm';
import { reason } from '#domain/errors.js';
import type { Log } from '../log.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Does `work` again while the database is away, until it answers or `signal` aborts; then its error is thrown. A
 * statement that the database refuses is not asked again.
 */
export async function untilDone<T>(work: () => Promise<T>, log: Log, signal: AbortSignal): Promise<T> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || isRefusal(error)) throw error;
      log('warn', `the database does not answer, it is asked again: ${reason(error)}`, { stage: 'database' });
      await sleep(pause, undefined, { signal }).catch(() => {}); // the last try is after the end of the pause
    }
  }
}

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html: 08 connection, 53 resources, 57 shutdown, 40 conflict */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof QueryFailedError)) return false;
  const { code = '' } = error.driverError as { readonly code?: string };
  const passing = /^(08|53|57|40|SQLITE_BUSY|SQLITE_FULL|SQLITE_IOERR|E[A-Z]+$)/.test(code) || code === '';
  return !passing;
}
