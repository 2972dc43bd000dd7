import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import { DIST_ENDED } from '#distribution/task.js';
import type { FetchedReport } from '#nodes/node.js';
import type { Parts } from './parts.js';

export interface Kept extends FetchedReport {
  readonly format: string;
}

/** Ends a task without success. `clean`: its copy on the node is deleted; `reports` are those that are here all the same. */
export async function failTask(
  parts: Parts,
  task: DistTaskRow,
  why: string,
  options: { readonly clean: boolean; readonly reports?: readonly Kept[] },
): Promise<void> {
  if (!(await parts.tasks.fail(task, why, options))) return;
  parts.log('warn', `failed: ${why}`, { task: task.id, stage: 'fail' });
  await left(parts, task);
}

/** A task has ended, or left its node: its sample may go, its copy there is deleted, and others have room. */
export async function left({ tasks, samples, jobs }: Parts, task: DistTaskRow): Promise<void> {
  const now = await tasks.find(task.id);
  if (task.sha256 !== null && (now === null || DIST_ENDED.includes(now.state)))
    await samples.remove(task.sha256);
  if (task.nodeId !== null) {
    const due = await tasks.removals(task.nodeId, 100);
    await jobs.at(task.nodeId, 'remove', due.map(({ id }) => id)); // prettier-ignore
  }
  await jobs.house('place');
}
