import { serves, type MachineTraits } from '#domain/machine.js';
import { plainDate } from '#domain/plain-date.js';
import type { DistTaskRow } from './entities/dist-task.entity.js';
import type { NodeRow } from './entities/node.entity.js';
import { Shelf, type Place } from './shelf.js';
import { Shelves, type Capacity } from './shelves.js';
import { unnamed } from './unnamed.js';

/** A node, as far as it matters where tasks go. */
export interface NodeRoom extends Capacity {
  readonly name: string;
  /** Why it is given no task at all, in a few words; null: it may be given some. */
  readonly shut: string | null;
  readonly kept: string | null;
}

/** Tasks of ours on a node, by state. */
export type Load = Readonly<Record<'assigned' | 'sending' | 'processing' | 'fetching', number>>;

export interface RoomSettings {
  /** Tasks that a node is given per machine. */
  readonly backlog: number;
  /** Seconds between two looks at a node. */
  readonly interval: number;
}

/** So that a node with one machine has its next task at hand when one ends. */
const LEAST_BACKLOG = 2;
/** Looks at a node after which what it last said of itself counts for nothing. */
const STATUS_INTERVALS = 3;
const NOTHING: Load = { assigned: 0, sending: 0, processing: 0, fetching: 0 };

/**
 * What a node may be given now: its backlog, less what is there of ours or, when that is more, all that it says waits and
 * runs there, with what it was given since. So a node that others keep busy is left alone.
 */
export function roomOf(
  node: NodeRow,
  machines: readonly MachineTraits[],
  load: Load = NOTHING,
  settings: RoomSettings,
  now: Date,
): NodeRoom {
  const why = shut(node, now);
  const status = isFresh(node.statusOn, settings, now) ? node.status : null;
  const { assigned, sending, processing, fetching } = load;
  const coming = assigned + sending;
  const there = (count(status, 'tasks', 'pending') ?? 0) + (count(status, 'tasks', 'running') ?? 0);
  const busy = coming + Math.max(processing + fetching, there);
  const backlog = machines.length === 0 ? 0 : Math.max(LEAST_BACKLOG, settings.backlog * machines.length);
  const idle = count(status, 'machines', 'available') ?? machines.length - processing;
  return {
    id: node.id,
    name: node.name,
    shut: why,
    room: why === null ? Math.max(0, backlog - busy) : 0,
    free: Math.max(0, Math.min(idle, machines.length) - coming),
    machines,
    kept: node.mode === 'normal' ? null : `its mode is ${JSON.stringify(node.mode)}`,
  };
}

function shut(node: NodeRow, now: Date): string | null {
  if (!node.enabled) return 'disabled';
  const why = node.lastError === null ? '' : `: ${unnamed(node.name, node.lastError)}`;
  if (node.seenOn === null) return `has not answered yet${why}`;
  if (node.retryOn !== null && node.retryOn > now) return `away since ${plainDate(node.seenOn)}${why}`;
  return null;
}

function isFresh(statusOn: Date | null, { interval }: RoomSettings, now: Date): boolean {
  return statusOn !== null && now.getTime() - statusOn.getTime() <= STATUS_INTERVALS * interval * 1000;
}

/** A number of things; null when the node says none, or what is none. */
function count(status: NodeRow['status'], part: string, key: string): number | null {
  const group = status?.[part];
  if (typeof group !== 'object' || group === null) return null;
  const value: unknown = (group as Record<string, unknown>)[key];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/**
 * For a task that nodes refused or lost: the best of the others that serve it and are open; `waits` for room at one of them;
 * null when there are no others.
 */
function elsewhere(task: DistTaskRow, nodes: readonly Capacity[], shelves: Shelves): Place | 'waits' | null {
  if (task.avoid.length === 0 || task.pinned) return null;
  const others = nodes.filter(
    ({ id, shut: why, kept, machines }) =>
      (why ?? kept ?? null) === null &&
      !task.avoid.includes(id) &&
      machines.some((machine) => serves(machine, task)),
  );
  if (others.length === 0) return null;
  return new Shelf(others.flatMap(({ id }) => shelves.place(id) ?? [])).best() ?? 'waits';
}

export interface Placement {
  readonly task: DistTaskRow;
  readonly nodeId: number;
}

/**
 * Which tasks go where: the one with the smallest rank first, to the node with the most of its machines idle, then the
 * one with the most room, of those that serve it and have any. What finds no place holds up nothing of another lane.
 */
export function place(nodes: readonly Capacity[], heads: readonly DistTaskRow[]): readonly Placement[] {
  const shelves = new Shelves(nodes);
  const lanes = new Map<string, Shelf>();
  const placed: Placement[] = [];
  for (const task of heads.toSorted((a, b) => a.rank - b.rank || a.id - b.id)) {
    const shelf = lanes.get(task.lane) ?? shelves.of(task);
    lanes.set(task.lane, shelf);
    const node = elsewhere(task, nodes, shelves) ?? shelf.best();
    if (node === null || node === 'waits') continue;
    node.room -= 1;
    node.free = Math.max(0, node.free - 1);
    placed.push({ task, nodeId: node.id });
  }
  return placed;
}
