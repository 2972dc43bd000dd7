import type { Redis } from 'ioredis';
import { isLasting, type MetricJson } from './series.js';
import { sum } from './sum.js';

/** Redis hash: worker id → `<unix seconds, by Redis> <snapshot>`. */
export const SNAPSHOTS = 'malkoha:metrics';
/** What workers counted that have ended: a sum that lost them would look like a restart of everything to a scraper. */
export const ENDED = 'malkoha:metrics:ended';

/** Seconds after which a worker that says nothing has ended. */
export const SNAPSHOT_S = 60;
/** Of another one nothing is known: change it with the buckets of a histogram. */
const FORMAT = 1;

export interface Snapshot {
  /** The worker's name. */
  readonly name: string;
  /** Seconds since it last reconciled SQL and the queues; null: it did not yet. */
  readonly reconciledAgo: number | null;
  readonly metrics: readonly MetricJson[];
}

export interface KeptSnapshot extends Snapshot {
  readonly id: string;
  /** Seconds since it was pushed; Infinity: of a worker that said that it ends. */
  readonly age: number;
}

export interface AllSnapshots {
  readonly alive: readonly KeptSnapshot[];
  /** Lasting counts of all that have ended. */
  readonly ended: readonly MetricJson[];
}

/** By the clock of Redis, the one that all hosts share. */
const PUSH = `
if ARGV[3] == 'again' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local time = ARGV[4] == 'last' and '0' or redis.call('TIME')[1]
redis.call('HSET', KEYS[1], ARGV[1], time .. ' ' .. ARGV[2])
return 1`;

/** Moves one snapshot's counts to those that have ended, if both are still what was read. */
const FOLD = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[4])
return 1`;

export interface Push {
  readonly id: string;
  readonly snapshot: Snapshot;
  /** `again`: only over one that is there. `last`: the worker ends. */
  readonly turn: 'first' | 'again' | 'last';
}

/** False: what this worker pushed before has been counted as that of one that has ended. */
export async function pushSnapshot(redis: Redis, { id, snapshot, turn }: Push): Promise<boolean> {
  const text = JSON.stringify({ format: FORMAT, ...snapshot });
  const again = turn === 'first' ? 'first' : 'again';
  return (await redis.eval(PUSH, 1, SNAPSHOTS, id, text, again, turn)) === 1;
}

/** Also moves what has ended to the sum of all that have. Every count is in the answer once, moved or not. */
export async function readSnapshots(redis: Redis): Promise<AllSnapshots> {
  // At one moment: what is moved between two looks would be there twice, or not at all.
  const answers = await redis.multi().time().hgetall(SNAPSHOTS).get(ENDED).exec();
  const [now, all, endedText] = (answers ?? []).map(([, answer]) => answer) as [
    readonly [seconds: string],
    Record<string, string>,
    string | null,
  ];
  const alive: KeptSnapshot[] = [];
  let before = endedText ?? '';
  let ended = parse(before)?.metrics ?? [];
  for (const [id, raw] of Object.entries(all)) {
    const [time = '0'] = raw.split(' ', 1);
    const snapshot = parse(raw.slice(time.length + 1));
    const age = time === '0' ? Infinity : Math.max(0, Number(now[0]) - Number(time));
    if (snapshot !== null && age <= SNAPSHOT_S) {
      alive.push({ ...snapshot, id, age });
      continue;
    }
    ended = await sum([ended, (snapshot?.metrics ?? []).filter(isLasting)]);
    const after = JSON.stringify({ format: FORMAT, metrics: ended });
    // Another reader may be quicker; then it is theirs to move, at the latest the next time.
    await redis.eval(FOLD, 2, SNAPSHOTS, ENDED, id, raw, before, after);
    before = after;
  }
  return { alive, ended };
}

type Written = Partial<Omit<Snapshot, 'metrics'>> & Pick<Snapshot, 'metrics'> & { readonly format?: number };

/** Null for what is not a snapshot of this version. */
function parse(text: string): Snapshot | null {
  try {
    const { format, name = '', reconciledAgo = null, metrics } = JSON.parse(text) as Written;
    return format === FORMAT ? { name, reconciledAgo, metrics } : null;
  } catch {
    return null;
  }
}

/**
 * What to show of them all: lasting counts of every worker; of the rest, what is said by the latest of each name.
 */
export function partsOf({ alive, ended }: AllSnapshots): readonly (readonly MetricJson[])[] {
  const latest = new Map<string, KeptSnapshot>();
  for (const one of [...alive].sort((a, b) => b.age - a.age)) latest.set(one.name, one);
  const shown = alive.map((one) =>
    latest.get(one.name) === one ? one.metrics : one.metrics.filter(isLasting),
  );
  return [ended, ...shown];
}
