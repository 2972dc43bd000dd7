import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Settings } from '#config/settings.js';
import type { Machine } from '#domain/machine.js';
import { Cleanup } from '../cleanup.js';
import type { MachineLab } from './labs/machine-lab.js';

/** Numbers as tasks have them, beyond any that there will be; each trial has one of its own, for the rooter's sake. */
const LAST_ID = 2 ** 31 - 1;
const IDS = 1_000_000;
let trials = Math.floor(Math.random() * IDS); // another process of this host tries machines too

/**
 * The network of a machine that is tried out: what is set up around a guest for a task, by a route that leads nowhere. Its
 * capture goes with it.
 *
 * @param accept takes what the guest sends to the result server, where that comes by its network
 * @throws what openNetwork throws
 */
export async function openTrialNetwork(
  lab: MachineLab,
  machine: Machine,
  { routing, accept }: { readonly routing: Settings['routing']; readonly accept: (stream: Duplex) => void },
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  await using cleanup = new Cleanup();
  const dir = await mkdtemp(join(tmpdir(), 'malkoha-trial-'));
  cleanup.defer(() => rm(dir, { recursive: true, force: true }));
  const results = {
    ...{ accept, failed: new AbortController().signal, finish: async () => {} },
    [Symbol.asyncDispose]: async () => {},
  };
  const id = LAST_ID - (trials++ % IDS);
  const wanted = { id, dir, route: trialRoute(lab, machine, routing), options: null, results };
  cleanup.use(await lab.openNetwork(machine, wanted, signal));
  return cleanup.move();
}

/** All that a guest may reach by `drop` is the result server. A lab that leaves its guests to the host's firewall has no rooter. */
function trialRoute({ own }: MachineLab, machine: Machine, { route, none }: Settings['routing']): string {
  const isOnInterface = own?.byAddress(machine) === true;
  return isOnInterface && route === 'none' && none === 'host' ? 'none' : 'drop';
}
