import { reason } from '#domain/errors.js';
import type { Submission, Task, TaskStatus } from '#domain/task.js';
import { replaceTask } from '#storage/reschedule.js';
import type { Context } from '../context.js';
import { problem } from '../../http/problem.js';
import { enqueue } from './accept.js';

/** Their analysis is done, and stored. */
const EXAMINED: readonly TaskStatus[] = ['reported', 'failed_processing', 'failed_reporting'];

export const CHANGED = 'The task changed at the same time: look at it, and try again';

/** The file of a task is there, or it has none. */
export async function isStored({ sample }: Task, { artifacts, shutdown }: Context): Promise<boolean> {
  return sample === null || artifacts.hasSample(sample.sha256, shutdown);
}

/** A new task in the old one's place, which becomes `recovered`. Returns the new one's id. @throws 409 */
export async function replace(task: Task, copy: Submission, by: Context): Promise<number> {
  const id = await replaceTask(by.db, task, copy);
  if (id === null) throw problem(409, CHANGED);
  by.tasks.announce(task.id, 'recovered');
  await forget(task, by);
  await enqueue([{ ...copy, id }], by);
  return id;
}

/** Back to `completed`: its report is made again from what is stored. False: it has no analysis, or has changed. */
export async function examineAgain(task: Task, { tasks, queues, log }: Context): Promise<boolean> {
  const { id, status } = task;
  if (!EXAMINED.includes(status)) return false;
  // How the analysis ended is in its report: the failure that the row tells of is over.
  const fields = status === 'reported' ? {} : { outcome: null };
  if (!(await tasks.move(id, status, 'completed', fields))) return false;
  await queues.enqueueProcessing(task).catch((error: unknown) => {
    log('warn', `the reconciler will queue it for processing: ${reason(error)}`, { task: id });
  });
  return true;
}

/** What was asked for, without what became of it. */
export function submissionOf(task: Task): Submission {
  const { category, target, timeout, priority, custom, owner, machine, platform, arch } = task;
  const { tags, options, memory, enforceTimeout, clock, submitter } = task;
  return {
    category,
    target,
    package: task.package,
    timeout,
    priority,
    custom,
    owner,
    machine,
    platform,
    arch,
    tags,
    options,
    memory,
    enforceTimeout,
    clock,
    submitter,
  };
}

/** The old task's job would be passed over by whoever takes it; until then it would be counted as waiting. */
async function forget(task: Task, { queues, log }: Context): Promise<void> {
  await queues.remove(task.id).catch((error: unknown) => {
    log('debug', reason(error), { task: task.id });
  });
}
