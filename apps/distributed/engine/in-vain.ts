import { reason } from '#domain/errors.js';
import type { Step } from './ills.js';
import { nodeFailed, type Handling, type Parts } from './parts.js';

/** A step for a task did not reach its end; it is tried again, and the task says why it does not get on. @throws what is no fault of the node */
export async function inVain(
  parts: Parts,
  { node, task, course }: Handling,
  { step, error }: { readonly step: Step; readonly error: unknown },
): Promise<number> {
  const wait = await nodeFailed(parts, { node, step }, error);
  await course.again();
  if (task.reason !== reason(error)) await parts.tasks.note(task, reason(error));
  return wait;
}
