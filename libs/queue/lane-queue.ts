import type { Redis } from 'ioredis';
import { SandboxError } from '#domain/errors.js';
import type { Requirements } from '#domain/machine.js';
import * as scripts from './lane-scripts.js';
import { encode, laneOf, type Lane } from '#domain/lanes.js';
import { within } from './within.js';

/** What the lanes need to know of a task. */
export interface QueuedTask extends Requirements {
  readonly id: number;
  readonly priority: number;
  readonly addedOn: Date;
  /** Whose share of the machines it takes: the token's name, else the owner. */
  readonly submitter: string | null;
  readonly owner: string | null;
  /** Machines it failed on through no fault of its own: others are tried first. */
  readonly avoid?: readonly string[];
}

export interface AddOptions {
  /** `back` (default): behind what waits; `front`: it had its turn before, and was given back. */
  readonly at?: 'back' | 'front';
  /** Milliseconds before it may be taken. */
  readonly delayMs?: number;
}

/** A task out of its lane: whoever has it must claim it, or put it back. */
export interface Taken {
  readonly id: number;
  readonly lane: Lane;
  readonly avoid: readonly string[];
  /** Since it was submitted. */
  readonly waitedMs: number;
  /** As it stood in its lane. */
  readonly info: string;
}

/** Where a task stands: `ahead` tasks are taken before it; `delayed`: to be tried again. */
export type LanePlace =
  { readonly state: 'waiting'; readonly ahead: number } | { readonly state: 'delayed' | 'none' };

export interface LaneDepth {
  readonly lane: Lane;
  readonly waiting: number;
  /** Milliseconds that the next of its tasks, or an older one, waits; null: none waits. */
  readonly oldestMs: number | null;
}

export interface LaneSettings {
  /** Seconds of waiting that lift a task by one level of priority; 0: none do. */
  readonly ageing: number;
  /** Shares of the machines by account; 1 unless named. */
  readonly weights: ReadonlyMap<string, number>;
}

/** Levels of priority kept apart; what lies beyond counts as the outermost. A dispatch looks at each that has tasks. */
const LEVELS = { least: -10, most: 1000 } as const;

/** Digits of a task's id: of two with the same turn the older is first, in Redis's order of bytes. */
const ID_DIGITS = 12;

type Commands = Readonly<
  Record<
    'laneAdd' | 'laneTake' | 'laneRemove' | 'lanePlace' | 'laneDepths' | 'laneTidy',
    (...args: readonly (string | number)[]) => Promise<unknown>
  >
>;

/**
 * The tasks that wait for a machine, in lanes: any number of hosts take from them, each the best task of those lanes
 * that its free machines serve. All of it can be lost: the tasks are in SQL, and the reconciler adds what is missing.
 */
export class Lanes {
  readonly #commands: Commands;
  #due: number | null = null;
  #known: { readonly version: string; readonly lanes: readonly Lane[] } = { version: '', lanes: [] };

  constructor(
    private readonly redis: Redis,
    private readonly settings: LaneSettings,
  ) {
    for (const [name, lua] of Object.entries({
      laneAdd: scripts.ADD,
      laneTake: scripts.TAKE,
      laneRemove: scripts.REMOVE,
      lanePlace: scripts.PLACE,
      laneDepths: scripts.DEPTHS,
      laneTidy: scripts.TIDY,
    }))
      redis.defineCommand(name, { numberOfKeys: 0, lua });
    this.#commands = redis as unknown as Commands; // defineCommand adds them
  }

  /** Adding twice adds once. False: it was there. */
  async add(task: QueuedTask, options: AddOptions = {}): Promise<boolean> {
    return this.#add(task.id, this.#info(task), options);
  }

  /** Nobody began with it: it stands where it stood. */
  async putBack({ id, info }: Taken, delayMs = 0): Promise<void> {
    await this.#add(id, info, { at: 'front', delayMs });
  }

  /**
   * The best task of the lanes that `serves`: highest priority, lifted by its time of waiting, then the fair share of
   * its account, then age. Null: none waits; `dueInMs` tells when to look again.
   */
  async take(serves: (lane: Lane) => boolean): Promise<Taken | null> {
    for (;;) {
      const { version, lanes } = this.#known;
      const mine = lanes.filter(serves);
      const now = Date.now();
      const [what, id = '', info = ''] = (await this.#commands.laneTake(
        ...[now, this.settings.ageing * 1000, version, ...mine],
      )) as [string, string?, string?];
      if (what === 'stale') {
        await this.#learn();
        continue;
      }
      if (what === 'task') return taken(id, info, now);
      this.#due = id === '' ? null : Number(id);
      return null;
    }
  }

  /** Milliseconds until a delayed task may be taken, as of the last take that found none; null: none is delayed. */
  get dueInMs(): number | null {
    return this.#due === null ? null : Math.max(0, this.#due - Date.now());
  }

  /** The lanes there are, as of the last take. */
  get known(): readonly Lane[] {
    return this.#known.lanes;
  }

  /** Which of the tasks are in a lane, or wait to be tried again. */
  async has(ids: readonly number[]): Promise<boolean[]> {
    if (ids.length === 0) return [];
    const found = await this.redis.hmget('malkoha:queued', ...ids.map(key));
    return found.map((info) => info !== null);
  }

  /** False: it was in none. */
  async remove(id: number): Promise<boolean> {
    return (await this.#commands.laneRemove(key(id))) === 1;
  }

  /** O(log n), however long the lane is. Ageing may let others pass. */
  async place(id: number): Promise<LanePlace> {
    const [state, ahead] = (await this.#commands.lanePlace(key(id))) as [LanePlace['state'], number?];
    return state === 'waiting' ? { state, ahead: ahead ?? 0 } : { state };
  }

  async depths(): Promise<LaneDepth[]> {
    const flat = (await this.#commands.laneDepths()) as (string | number)[];
    const now = Date.now();
    return Array.from({ length: flat.length / 3 }, (_, at) => {
      const [lane, waiting, oldest] = flat.slice(3 * at, 3 * at + 3);
      return {
        lane: String(lane),
        waiting: Number(waiting),
        oldestMs: oldest === '' ? null : Math.max(0, now - Number(oldest)),
      };
    });
  }

  /** Tasks of one lane, at most so many, and how long each has waited. */
  async tasksOf(lane: Lane, limit: number): Promise<Pick<Taken, 'id' | 'waitedMs'>[]> {
    const ids: string[] = [];
    for (const level of await this.redis.zrange(`malkoha:lane:${lane}`, 0, -1)) {
      if (ids.length >= limit) break;
      ids.push(...(await this.redis.zrange(`malkoha:lane:${lane}:${level}`, 0, limit - ids.length - 1)));
    }
    if (ids.length === 0) return [];
    const infos = await this.redis.hmget('malkoha:queued', ...ids);
    const now = Date.now();
    return ids.flatMap((id, index) => {
      const info = infos[index];
      return info == null ? [] : [taken(id, info, now)];
    });
  }

  /** Forgets lanes without tasks: names come from clients. */
  async tidy(): Promise<void> {
    await this.#commands.laneTidy();
  }

  async #add(id: number, info: string, { at = 'back', delayMs = 0 }: AddOptions): Promise<boolean> {
    const due = delayMs === 0 ? 0 : Date.now() + delayMs;
    return (await this.#commands.laneAdd(key(id), info, at === 'front' ? 1 : 0, due)) === 1;
  }

  async #learn(): Promise<void> {
    const [[, version] = [], [, lanes] = []] =
      (await this.redis.multi().get('malkoha:lanes:version').smembers('malkoha:lanes').exec()) ?? [];
    this.#known = { version: (version as string | null) ?? '0', lanes: (lanes as string[] | null) ?? [] };
  }

  #info(task: QueuedTask): string {
    const level = Math.max(LEVELS.least, Math.min(LEVELS.most, Math.trunc(task.priority)));
    const account = task.submitter ?? task.owner ?? '';
    const avoid = (task.avoid ?? []).map(encode).join(',');
    const weight = this.settings.weights.get(account) ?? 1;
    const text = encode(account);
    return [level, task.addedOn.getTime(), laneOf(task), avoid, text, weight].join('|');
  }
}

/** A bound on the wait for an answer, and none on commands that would pile up for a Redis that is away. */
export async function asked<T>(redis: Redis, ask: () => Promise<T>): Promise<T> {
  if (redis.status !== 'ready') {
    throw new SandboxError(
      'QUEUE_UNAVAILABLE',
      'Redis does not answer; the task is stored and goes on when it does',
    );
  }
  return within(ask());
}

function key(id: number): string {
  return String(id).padStart(ID_DIGITS, '0');
}

function taken(id: string, info: string, now: number): Taken {
  const [, added, lane = '', avoid = ''] = info.split('|');
  return {
    id: Number(id),
    lane,
    avoid: avoid === '' ? [] : avoid.split(',').map(decodeURIComponent),
    waitedMs: Math.max(0, now - Number(added)),
    info,
  };
}
