import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import type { RemoteTask } from '#nodes/node.js';
import { failTask, left } from './ends.js';
import type { Parts } from './parts.js';

interface Sight {
  readonly node: NodeRow;
  readonly task: DistTaskRow;
  /** Null: the node has no such task. */
  readonly seen: RemoteTask | null;
}

/** What a node's word about one of its tasks makes of it: `reported` when its reports can be fetched. */
export async function see(
  parts: Parts,
  { node, task, seen }: Sight,
): Promise<'reported' | 'goes on' | 'left'> {
  // A node that was set up anew counts its tasks from 1: by this id it has somebody else's.
  if (seen?.mark !== task.mark) {
    const why = `node ${node.name} has it no more: was the node set up anew, or the task deleted there?`;
    await leave(parts, task, why);
    return 'left';
  }
  if (seen.status === 'reported') return 'reported';
  const there = `on node ${node.name} (task ${seen.id} there)`;
  if (seen.status === 'recovered') {
    await failTask(parts, task, `it was scheduled again by hand ${there}, as another task`, { clean: false });
    return 'left';
  }
  if (!seen.status.startsWith('failed')) return 'goes on';
  const why = `${seen.status} ${there}${seen.reason === null ? '' : `: ${seen.reason}`}`;
  await failTask(parts, task, why, { clean: parts.settings.failedClean });
  return 'left';
}

/** Its node cannot be expected to bring it to an end: the next one gets it, unless that was tried often enough. */
export async function leave(parts: Parts, task: DistTaskRow, why: string): Promise<void> {
  const { tasks, settings, log } = parts;
  if (task.attempts >= settings.attempts) {
    await failTask(parts, task, `${why} It was tried ${task.attempts} times.`, { clean: true });
  } else if (await tasks.giveUp(task, why)) {
    log('warn', why, { task: task.id, stage: 'leave' });
    await left(parts, task);
  }
}
