import { setTimeout as sleep } from 'node:timers/promises';
import { reason } from '#domain/errors.js';
import { TERMINAL } from '#domain/task.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import type { NodeClient } from '#nodes/node.js';
import type { LastLooks } from './look.js';
import type { Parts } from './parts.js';

/** Milliseconds between two connections to a node's events: at first, and at most. */
const AGAIN_MS = { first: 1000, most: 30_000 } as const;
const ENDED: readonly string[] = [...TERMINAL, 'deleted'];

interface Ears extends Parts {
  readonly heard: Set<number>;
  readonly lastLooks: LastLooks;
}

/**
 * Reads what a node tells of its tasks, for as long as `signal` lets it: their ends are acted on at once. What a break
 * in the stream may have hidden, a look at all of its tasks shows.
 */
export async function listen(
  parts: Ears,
  node: NodeRow,
  client: NodeClient,
  signal: AbortSignal,
): Promise<void> {
  if (client.events === null) return;
  const { heard, log } = parts;
  for (let wait: number = AGAIN_MS.first; !signal.aborted; wait = Math.min(2 * wait, AGAIN_MS.most)) {
    const began = performance.now();
    try {
      for await (const event of client.events(null, signal)) {
        heard.add(node.id);
        if (event.kind === 'look') await lookNow(parts, node);
        else if (ENDED.includes(event.status)) await ended(parts, node, event.task);
      }
    } catch (error) {
      log('debug', `events of node ${node.name}: ${reason(error)}`, { node: node.name });
    } finally {
      heard.delete(node.id);
    }
    if (performance.now() - began > AGAIN_MS.most) wait = AGAIN_MS.first;
    await sleep(wait, undefined, { signal }).catch(() => {}); // the loop sees the end
  }
}

async function lookNow({ lastLooks, early, jobs }: Ears, node: NodeRow): Promise<void> {
  lastLooks.forget(node.id);
  early.forget(node.id);
  await jobs.at(node.id, 'look', [null]);
}

async function ended({ tasks, early, jobs }: Ears, node: NodeRow, remoteId: number): Promise<void> {
  const task = await tasks.byRemote(node.id, remoteId);
  if (task === null) early.add(node.id, remoteId);
  else await jobs.at(node.id, 'bring', [task.id]);
}
