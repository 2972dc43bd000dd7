import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { HEARTBEAT_MS, LEASE_MS, Liveness } from '#queue/liveness.js';
import { workerIsGone, workerName } from '#queue/worker-id.js';
import { MachineNameTaken, type Machines, type RegisteredMachine } from '#storage/machines.js';
import type { Workers } from '#storage/workers.js';
import { VERSION } from '../version.js';

export interface Registration {
  readonly id: string;
  readonly name: string;
  readonly machines: readonly RegisteredMachine[];
}

/**
 * Says who this worker is and what machines it has. A machine's name that another host's worker has may be that of a
 * process which was killed there: it is watched for as long as a lease lasts.
 *
 * @throws CONFIG_INVALID when a living worker has a machine of the same name
 */
export async function registerWorker(
  { id, name, machines }: Registration,
  store: { readonly machines: Machines; readonly workers: Workers },
  onWait: (why: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const liveness = new Liveness();
  const until = performance.now() + LEASE_MS + 2 * HEARTBEAT_MS;
  for (;;) {
    const rows = await store.workers.list();
    const gone = new Set(liveness.gone(rows));
    const living = new Set(rows.flatMap((row) => (gone.has(row.id) ? [] : [row.id])));
    try {
      await store.machines.register(id, machines, {
        isGone: (other) => !living.has(other),
        isBefore: (other) => workerName(other) === name && !living.has(other),
      });
      await store.workers.register({ id, name, host: hostname(), version: VERSION });
      return;
    } catch (error) {
      if (!(error instanceof MachineNameTaken) || performance.now() > until) throw error;
      const [host] = error.worker.split('/');
      if (host === hostname() && !workerIsGone(error.worker)) throw error;
      onWait(`${error.message}; unless that worker is gone, which shows within ${LEASE_MS / 1000} s`);
      await sleep(HEARTBEAT_MS, undefined, { signal });
    }
  }
}
