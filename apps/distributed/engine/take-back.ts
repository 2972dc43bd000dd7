import { serves } from '#domain/machine.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import type { Parts } from './parts.js';
import { roomsOf } from './rooms.js';

/** Looks at a node for which a task waits there before another one's idle machine is a reason to move it. */
const PATIENCE = 3;

/**
 * A node that is slow holds tasks that machines elsewhere are idle for: those that it has not begun are taken back, as
 * many as there are such machines.
 */
export async function takeBack(
  parts: Parts,
  node: NodeRow,
  waiting: readonly DistTaskRow[],
  signal: AbortSignal,
): Promise<void> {
  const { tasks, clients, jobs, settings, withdrawing, log } = parts;
  const before = Date.now() - PATIENCE * settings.interval * 1000;
  const patient = waiting.filter(
    ({ pinned, delegatedOn }) => !pinned && delegatedOn !== null && delegatedOn.getTime() < before,
  );
  if (patient.length === 0) return;
  const others = (await roomsOf(parts))
    .filter(({ id, room, free, kept }) => id !== node.id && kept === null && room > 0 && free > 0)
    .map(({ machines, free }) => ({ machines, free }));
  for (const task of patient) {
    const other = others.find(({ free, machines }) => free > 0 && machines.some((one) => serves(one, task)));
    if (other === undefined || task.remoteId === null) continue;
    withdrawing.add(task.id); // that it is gone there is not to be taken for a loss
    try {
      if (!(await clients.of(node).withdraw(task.remoteId, signal))) continue;
      other.free -= 1;
      // It never ran: that costs it none of its attempts.
      const back = { nodeId: null, attempts: task.attempts - 1 };
      if ((await tasks.move(task, 'pending', back)) === null) continue;
    } finally {
      withdrawing.delete(task.id);
    }
    log('info', 'taken back: it waited there, and machines of other nodes are idle', {
      task: task.id,
      node: node.name,
      stage: 'take back',
    });
  }
  await jobs.house('place');
}
