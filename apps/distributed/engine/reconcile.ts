import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { removeDue } from './ends.js';
import { closedFor, type Parts } from './parts.js';
import { leave } from './see.js';

const PAGE = 500;

/**
 * Brings the queues in step with SQL, whatever a kill or a lost Redis left: every task that is on its way has a job, what
 * is on a node that is gone or lost goes elsewhere, what is to be deleted is.
 */
export async function reconcile(parts: Parts): Promise<void> {
  const { tasks, nodes, jobs } = parts;
  const known = new Map((await nodes.list()).map((node) => [node.id, node]));
  for (let after = 0; ;) {
    const page = await tasks.inState(['assigned', 'sending', 'processing', 'fetching'], after, PAGE);
    for (const task of page) await repair(parts, task, known.get(task.nodeId ?? 0));
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.id;
  }
  for (const nodeId of await tasks.nodesWithRemovals()) await removeDue(parts, nodeId);
  await jobs.house('place');
}

async function repair(parts: Parts, task: DistTaskRow, node: NodeRow | undefined): Promise<void> {
  const { tasks, jobs, settings } = parts;
  if (node === undefined) {
    if (task.state === 'assigned') await tasks.move(task, 'pending', { nodeId: null });
    else await leave(parts, task, 'its node was removed.');
    return;
  }
  if (task.state === 'assigned') {
    const usable = node.enabled && node.mode === 'normal' && closedFor(node) === null;
    if (usable || task.pinned) await jobs.at(node.id, 'submit', [task.id]);
    else await tasks.move(task, 'pending', { nodeId: null });
    return;
  }
  const silentMs = silence(node, parts);
  if (silentMs > settings.lostAfter * 1000) {
    await leave(
      parts,
      task,
      `node ${node.name} has not answered for ${Math.round(silentMs / 1000)} seconds.`,
    );
    return;
  }
  if (task.state === 'sending') await jobs.at(node.id, 'submit', [task.id]);
  if (task.state === 'fetching') await jobs.at(node.id, 'bring', [task.id]);
}

/** Milliseconds for which a node has been asked and did not answer. Before this controller was there, nobody may have asked. */
function silence({ failingOn, failedOn, seenOn }: NodeRow, { startedOn }: Parts): number {
  if (failingOn === null || failedOn === null || failedOn < startedOn) return 0;
  return Date.now() - Math.max(failingOn.getTime(), seenOn?.getTime() ?? 0);
}
