import { setTimeout as sleep } from 'node:timers/promises';

/** Waits, without a bound of its own: what never comes true is ended by the test's. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(5);
}
