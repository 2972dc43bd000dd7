import { roomOf, type NodeRoom } from '#distribution/placement.js';
import type { Parts } from './parts.js';

/** Every node, with what it may be given now. */
export async function roomsOf({
  nodes,
  tasks,
  settings,
}: Pick<Parts, 'nodes' | 'tasks' | 'settings'>): Promise<NodeRoom[]> {
  const [rows, machines, load] = await Promise.all([nodes.list(), nodes.machines(), tasks.load()]);
  const now = new Date();
  return rows.map((node) => {
    const own = machines.filter(({ nodeId }) => nodeId === node.id);
    return roomOf(node, own, load.get(node.id), settings, now);
  });
}
