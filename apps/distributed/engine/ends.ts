import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
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
  await ended(parts, task);
}

/** A task has ended: its sample may go, too. */
export async function ended(parts: Parts, task: DistTaskRow): Promise<void> {
  if (task.sha256 !== null) await parts.samples.remove(task.sha256);
  await left(parts, task);
}

/** A task has left its node: its copy there is deleted, and others have room. */
export async function left(parts: Parts, { nodeId }: DistTaskRow): Promise<void> {
  if (nodeId !== null) await removeDue(parts, nodeId);
  await parts.jobs.house('place');
}

/** Removals of one node that are asked for at once; the reconciler asks for the rest. */
const AT_ONCE = 500;

/** Asks for what is due to be deleted on a node. */
export async function removeDue(
  { tasks, jobs }: Pick<Parts, 'tasks' | 'jobs'>,
  nodeId: number,
): Promise<void> {
  const due = await tasks.removals(nodeId, AT_ONCE);
  await jobs.at(nodeId, 'remove', due.map(({ id }) => id)); // prettier-ignore
}
