import { deadline } from '#domain/deadline.js';
import { TERMINAL } from '#domain/task.js';
import type { Context } from '../context.js';
import { problem } from '../../http/problem.js';

/** Seconds a request may wait for a change. */
const MAX_WAIT_S = 60;

/** `?wait=`, in seconds; 0 when it is not given. @throws 400 */
export function readWait(wait: unknown): number {
  if (wait === undefined || wait === '') return 0;
  const seconds = typeof wait === 'string' && /^\d{1,9}(\.\d{1,3})?$/.test(wait) ? Number(wait) : NaN;
  if (Number.isNaN(seconds)) throw problem(400, `"wait" must be a number of seconds, at most ${MAX_WAIT_S}`);
  return Math.min(seconds, MAX_WAIT_S);
}

/** Resolves when the task has ended, when there is none, after `seconds`, or when `ended` aborts. */
export async function untilEnded(
  { tasks, watch }: Context,
  id: number,
  seconds: number,
  ended: AbortSignal,
): Promise<void> {
  if (seconds === 0) return;
  using limit = deadline(seconds * 1000, ended);
  for (;;) {
    const status = await tasks.status(id);
    if (status === null || TERMINAL.includes(status) || limit.signal.aborted) return;
    await watch.changed(id, status, limit.signal);
  }
}
