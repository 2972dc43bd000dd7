import type { Redis } from 'ioredis';
import { workerIsGone } from './worker-id.js';

/** Milliseconds between the signs of life a worker gives. */
export const HEARTBEAT_MS = 5000;
/** Milliseconds without one after which its tasks are taken away. */
export const LEASE_MS = 30_000;
/** Milliseconds the reconciler's place stays with one that is silent. */
const LEADER_MS = 30_000;

export interface SignOfLife {
  readonly id: string;
  readonly heartbeatOn: Date;
}

/**
 * Tells workers that live from those that are gone, by whether their sign of life changes while we look: clocks of
 * several hosts differ, and what a pause of ours made old is not dead. Of this host's own workers the kernel knows.
 */
export class Liveness {
  readonly #seen = new Map<string, { readonly beat: number; readonly at: number }>();
  #lookedAt = -Infinity;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Ids of those that are gone. Call it every few seconds. */
  gone(workers: readonly SignOfLife[]): readonly string[] {
    const now = this.now();
    // While nobody looked (the database was away, say) nothing could be seen to change.
    if (now - this.#lookedAt > LEASE_MS / 2) this.#seen.clear();
    this.#lookedAt = now;
    const ids = new Set(workers.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id);
    return workers.flatMap(({ id, heartbeatOn }) => {
      const beat = heartbeatOn.getTime();
      const before = this.#seen.get(id);
      if (before?.beat !== beat) this.#seen.set(id, { beat, at: now });
      const silent = before?.beat === beat && now - before.at > LEASE_MS;
      return silent || workerIsGone(id) ? [id] : [];
    });
  }
}

const LEAD = `
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] and leader ~= ARGV[2] then return leader end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]`;

/** Is this worker the one that reconciles, from now on or still? One that ended on this host is followed at once. */
export async function leads(redis: Redis, worker: string): Promise<boolean> {
  const key = 'malkoha:reconciler';
  const ask = async (dead: string) => (await redis.eval(LEAD, 1, key, worker, dead, LEADER_MS)) as string;
  const leader = await ask('');
  if (leader === worker) return true;
  return workerIsGone(leader) && (await ask(leader)) === worker;
}

/** The worker that reconciles; null: none does. */
export async function leaderOf(redis: Redis): Promise<string | null> {
  return redis.get('malkoha:reconciler');
}
