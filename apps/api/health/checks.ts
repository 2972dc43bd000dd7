import type { DataSource } from 'typeorm';
import { SandboxError } from '#domain/errors.js';
import { LEASE_MS } from '#queue/liveness.js';
import { within } from '#queue/within.js';
import { mustTakeWrites } from '#storage/writable.js';
import type { WorkerRow } from '#storage/entities/worker.entity.js';
import { readSnapshots } from '../../metrics/snapshots.js';
import type { Context } from '../context.js';
import { mustHaveSpace } from '../../disk.js';
import type { Check } from '../../http/readiness.js';
import { VERSION } from '../../version.js';
import { tryToWrite } from '../../nameless.js';

/** Seconds without a round of the reconciler, which runs every ten seconds. */
const RECONCILE_LATE_S = 300;

/** All that an analysis needs, each looked at where it is, not where it was. */
export function checksOf(by: Context): Readonly<Record<string, Check>> {
  return {
    database: () => database(by.db),
    redis: async () => {
      mustAnswer(by);
      await within(by.queues.redis.ping());
      return null;
    },
    disk: async () => {
      await tryToWrite(by.home.scratch);
      await mustHaveSpace(by.home.storage, by.settings.cuckoo.freespace);
      return null;
    },
    // The networks of all machinery there is are made without root.
    rooter: async () => 'not needed by the machinery in use',
    machines: () => machines(by),
    reconciler: () => reconciler(by),
  };
}

async function database(db: DataSource): Promise<null> {
  await mustTakeWrites(db);
  return null;
}

/** A living worker with a machine that is, or will be, for tasks. */
async function machines({ workers, machines: all }: Context): Promise<null> {
  const living = new Set((await workers.list()).filter(isAlive).map(({ id }) => id));
  if (living.size === 0) throw new SandboxError('WORKER_LOST', 'no worker gives a sign of life');
  const theirs = (await all.list()).filter(({ worker }) => living.has(worker));
  const out = theirs.filter(({ state }) => state === 'quarantined' || state === 'disabled');
  if (out.length === theirs.length) {
    throw new SandboxError(
      'NO_MATCHING_MACHINE',
      theirs.length === 0
        ? 'no worker has a machine'
        : `all ${out.length} machines are quarantined or disabled`,
    );
  }
  return null;
}

async function reconciler(by: Context): Promise<null> {
  mustAnswer(by);
  const { alive } = await within(readSnapshots(by.queues.redis));
  const ago = reconciledAgo(alive);
  if (ago === null) throw new SandboxError('WORKER_LOST', 'no worker has reconciled yet');
  if (ago > RECONCILE_LATE_S)
    throw new SandboxError('WORKER_LOST', `no worker has reconciled for ${Math.round(ago)} s`);
  return null;
}

/** Remarks on workers whose version is not that of this API. */
export async function skew({ workers }: Context): Promise<string | null> {
  const others = (await workers.list()).filter((one) => isAlive(one) && one.version !== VERSION);
  if (others.length === 0) return null;
  const named = others.map(({ name, version }) => `${name} (${version})`).join(', ');
  return `these workers are of another version than this API, ${VERSION}: ${named}`;
}

/** Seconds since any worker last did; null: none has. */
export function reconciledAgo(
  alive: readonly { readonly age: number; readonly reconciledAgo: number | null }[],
): number | null {
  const all = alive.flatMap(({ age, reconciledAgo: ago }) => (ago === null ? [] : [ago + age]));
  return all.length === 0 ? null : Math.min(...all);
}

/** Commands to a Redis that is away would wait until it is back. */
export function mustAnswer({ queues: { redis } }: Pick<Context, 'queues'>): void {
  if (redis.status !== 'ready') throw new SandboxError('QUEUE_UNAVAILABLE', 'Redis does not answer');
}

export function isAlive({ heartbeatOn }: Pick<WorkerRow, 'heartbeatOn'>): boolean {
  return Date.now() - heartbeatOn.getTime() <= LEASE_MS;
}
