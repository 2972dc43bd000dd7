import { roomOf, type NodeRoom } from '#distribution/placement.js';
import { grouped } from '../../grouped.js';
import type { Parts } from './parts.js';

/** Every node, with what it may be given now. */
export async function roomsOf({
  nodes,
  tasks,
  settings,
}: Pick<Parts, 'nodes' | 'tasks' | 'settings'>): Promise<NodeRoom[]> {
  const [rows, machines, load] = await Promise.all([nodes.list(), nodes.machines(), tasks.load()]);
  const own = grouped(machines, ({ nodeId }) => nodeId);
  const now = new Date();
  return rows.map((node) => roomOf(node, own.get(node.id) ?? [], load.get(node.id), settings, now));
}
