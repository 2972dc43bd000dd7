import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import { place as choose, type NodeRoom } from '#distribution/placement.js';
import { Shelves, type Wants } from '#distribution/shelves.js';
import type { Parts } from './parts.js';
import { roomsOf } from './rooms.js';

/** Lanes whose needs are kept. */
const KEPT = 20_000;

/** What the tasks of each lane need: it never changes, and submitters may make any number of lanes. */
export class LaneWants {
  readonly #kept = new Map<string, Wants>();

  /** Null: nothing waits in it any more. */
  async of(lane: string, { tasks }: Pick<Parts, 'tasks'>): Promise<Wants | null> {
    const known = this.#kept.get(lane);
    if (known !== undefined) return known;
    const [head] = await tasks.heads(lane, 1);
    if (head === undefined) return null;
    if (this.#kept.size >= KEPT) this.#kept.clear();
    const { machine, platform, arch, tags, pinned, nodeId } = head;
    const wants = { machine, platform, arch, tags, pinned, nodeId };
    this.#kept.set(lane, wants);
    return wants;
  }
}

/** Gives tasks that wait to nodes that have room for them, the best first. */
export async function place(parts: Parts & { readonly wants: LaneWants }): Promise<void> {
  const { tasks, jobs } = parts;
  const rooms = await roomsOf(parts);
  const placed = new Map<number, number[]>();
  for (const { task, nodeId } of choose(rooms, await headsFor(rooms, parts))) {
    // Deleted meanwhile: its room is given away at the next occasion.
    if ((await tasks.move(task, 'assigned', { nodeId })) === null) continue;
    placed.set(nodeId, [...(placed.get(nodeId) ?? []), task.id]);
  }
  for (const [nodeId, ids] of placed) await jobs.at(nodeId, 'submit', ids);
}

/** The first tasks of each lane that a node with room serves, as many as there is room for. */
async function headsFor(
  rooms: readonly NodeRoom[],
  parts: Parts & { readonly wants: LaneWants },
): Promise<readonly DistTaskRow[]> {
  const all = rooms.reduce((sum, { room }) => sum + room, 0);
  if (all === 0) return [];
  const shelves = new Shelves(rooms);
  const heads: DistTaskRow[] = [];
  for (const { lane, waiting } of await parts.tasks.lanes()) {
    const wants = await parts.wants.of(lane, parts);
    if (wants === null || shelves.of(wants).best() === null) continue;
    heads.push(...(await parts.tasks.heads(lane, Math.min(all, waiting))));
  }
  return heads;
}
