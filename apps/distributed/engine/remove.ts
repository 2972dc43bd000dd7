import { reason } from '#domain/errors.js';
import type { NodeRow } from '#distribution/entities/node.entity.js';
import type { RemovalRow } from '#distribution/entities/dist-task.entity.js';
import type { NodeClient } from '#nodes/node.js';
import { NodeError } from '#nodes/error.js';
import { closedFor, nodeAnswered, nodeFailed, type Again, type Parts } from './parts.js';

/** Milliseconds after which what was on its way to a node, and is not there, does not arrive any more. */
const ON_ITS_WAY_MS = 10 * 60_000;

/** Deletes what a node still has of a task. It is done when the node says that it has it no more. */
export async function remove(
  parts: Parts,
  node: NodeRow,
  removalId: number,
  signal: AbortSignal,
): Promise<Again> {
  const { tasks, clients } = parts;
  const removal = await tasks.removal(removalId);
  if (removal?.nodeId !== node.id) return null;
  const closed = closedFor(node);
  if (closed !== null) return closed;
  const client = clients.of(node);
  let found: readonly number[];
  try {
    found = await copiesOf(client, removal, signal);
    await nodeAnswered(parts, node, 'view');
  } catch (error) {
    return nodeFailed(parts, { node, step: 'view' }, error);
  }
  try {
    const gone = await Promise.all(found.map((id) => client.remove(id, signal)));
    if (gone.every(Boolean) && !mayStillCome(removal, found)) await tasks.removed(removal.id);
    else await tasks.postpone(removal.id, 'it still runs there, or is on its way');
  } catch (error) {
    // The node answers: that it cannot delete is no reason to keep other work from it.
    if (!(error instanceof NodeError)) throw error;
    await tasks.postpone(removal.id, reason(error));
  }
  return null;
}

/** Its ids on the node. What does not carry its mark is somebody else's. */
async function copiesOf(
  client: NodeClient,
  { remoteId, mark }: RemovalRow,
  signal: AbortSignal,
): Promise<readonly number[]> {
  if (remoteId === null) return (await client.find(mark, signal)).map(({ id }) => id);
  return (await client.view(remoteId, signal))?.mark === mark ? [remoteId] : [];
}

/** What was broken off on its way, and is not there, may come to be there. */
function mayStillCome({ remoteId, createdOn }: RemovalRow, found: readonly number[]): boolean {
  return remoteId === null && found.length === 0 && Date.now() - createdOn.getTime() < ON_ITS_WAY_MS;
}
