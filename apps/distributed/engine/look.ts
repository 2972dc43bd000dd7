import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import { NodeError } from '#nodes/error.js';
import type { NodeClient } from '#nodes/node.js';
import { closedFor, nodeAnswered, nodeFailed, type Parts } from './parts.js';
import { see } from './see.js';
import { takeBack } from './take-back.js';

/** Milliseconds between two reads of the machines of a node, and when it has another number of them. */
const [MACHINES_MS, CHANGED_MS] = [5 * 60_000, 30_000] as const;
/** Milliseconds between two looks at each task of a node that tells of them by itself. */
const HEARD_MS = 60_000;
/** Tasks of one node that are looked at at once. */
const AT_ONCE = 4;

/** When this controller last did what is not done at each look, by node. */
export class LastLooks {
  readonly #at = new Map<string, number>();

  /** True when it is time again. */
  isDue(what: 'machines' | 'tasks', nodeId: number, everyMs: number): boolean {
    const key = `${what} ${nodeId}`;
    const now = performance.now();
    if (now - (this.#at.get(key) ?? -Infinity) < everyMs) return false;
    this.#at.set(key, now);
    return true;
  }

  /** False: the next look is a thorough one. */
  knows(nodeId: number): boolean {
    return this.#at.has(`tasks ${nodeId}`) || this.#at.has(`machines ${nodeId}`);
  }

  /** The next look is a thorough one. */
  forget(nodeId: number): void {
    for (const what of ['machines', 'tasks']) this.#at.delete(`${what} ${nodeId}`);
  }
}

/** Another controller looked just now, and nothing asks for a thorough look. */
function isFresh({ id, statusOn }: NodeRow, { settings, lastLooks }: LookParts): boolean {
  const age = Date.now() - (statusOn?.getTime() ?? 0);
  return age < 800 * settings.interval && lastLooks.knows(id);
}

type LookParts = Parts & { readonly lastLooks: LastLooks };

/** Asks a node how it is and what has become of its tasks. It is done again every `interval` seconds. */
export async function look(parts: LookParts, node: NodeRow, signal: AbortSignal): Promise<void> {
  const { nodes, statuses, clients, jobs, lastLooks } = parts;
  if (closedFor(node) !== null || isFresh(node, parts)) return;
  const client = clients.of(node);
  try {
    const status = await client.status(signal);
    await nodeAnswered(parts, node, 'look', status.raw);
    await statuses.add(node.id, status.raw);
    const known = await nodes.machines(node.id);
    const everyMs = known.length === status.machines.total ? MACHINES_MS : CHANGED_MS;
    if (lastLooks.isDue('machines', node.id, everyMs))
      await nodes.setMachines(node.id, (await client.machines(signal)).machines);
    if (!parts.heard.has(node.id) || lastLooks.isDue('tasks', node.id, HEARD_MS))
      await lookAtTasks(parts, node, client, signal);
  } catch (error) {
    lastLooks.forget(node.id);
    await nodeFailed(parts, { node, step: 'look' }, error);
  }
  await jobs.house('place');
}

async function lookAtTasks(
  parts: Parts,
  node: NodeRow,
  client: NodeClient,
  signal: AbortSignal,
): Promise<void> {
  const rows = await parts.tasks.onNode(node.id, ['processing']);
  const waiting: DistTaskRow[] = [];
  const one = async (): Promise<void> => {
    for (let task = rows.shift(); task !== undefined; task = rows.shift()) {
      if (task.remoteId === null) continue;
      const seen = await client.view(task.remoteId, signal).catch((error: unknown) => {
        if (error instanceof NodeError) return undefined;
        throw error;
      });
      if (seen === undefined) {
        // A job of its own remembers for how long it is in vain.
        await parts.jobs.at(node.id, 'bring', [task.id]);
        continue;
      }
      const what = await see(parts, { node, task, seen });
      if (what === 'reported') await parts.jobs.at(node.id, 'bring', [task.id]);
      if (what === 'goes on' && seen?.status === 'pending') waiting.push(task);
    }
  };
  // All of them end before this does: none goes on when the controller has ended.
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, one));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  await takeBack(parts, node, waiting, signal);
}
