import type { MachineryName } from '#config/machineries.js';
import { reason, SandboxError } from '#domain/errors.js';
import { aborted } from '../aborted.js';
import { Cleanup } from '../cleanup.js';
import { TABLE, type Base } from './base-rules.js';
import { BridgePorts } from './bridge-ports.js';
import { forgetConnections } from './connections.js';
import { sweepPassages } from './firewall.js';
import { found, haveTables, makeTables, removeTables, startOf } from './kernel.js';
import { Leases } from './leases.js';
import { Monitor } from './monitor.js';
import { permits, type Configured } from './permit.js';
import type { Routing } from './routing.js';
import { RooterServer, type ServerOptions } from './server.js';
import { listen, type Audience } from './socket.js';
import { giveBack } from './sysctls.js';
import { sweepTables } from './tables.js';

export interface Rooter {
  readonly log: ServerOptions['log'];
  readonly ready: () => void;
  /** What keeps guests apart does not work any more: `signal` should abort. */
  readonly broken: (error: unknown) => void;
}

/** Milliseconds that workers have to stop their machines when the rooter is told to end. */
const GRACE_MS = 10_000;

/**
 * Runs until `signal` aborts, then takes back all it changed. Guests that may still run by then stay cut off: our tables
 * stay for them.
 *
 * @returns the machines that the tables were left for
 */
export async function runRooter(
  settings: Configured,
  machinery: readonly MachineryName[],
  place: Audience & { readonly path: string },
  { log, ready, broken }: Rooter,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const allowed = permits(settings, machinery);
  const machines = [...allowed.values()];
  const interfaces = new Set(machines.map(({ interface: name }) => name));
  if (machines.length === 0)
    log(
      'warn',
      `no machine of ${machinery.join(', ')} has an ip and an interface: there is nothing to route ([cuckoo] machinery, --machinery)`,
    );
  const base = {
    interfaces: [...interfaces],
    addresses: machines.map(({ ip }) => ip),
    owner: { pid: process.pid, start: (await startOf(process.pid)) ?? 0 },
  };
  const wasClean = await takeOver(base, settings.routing);
  await using cleanup = new Cleanup((error) => log('error', `while ending: ${reason(error)}`));
  const ports = cleanup.use(await BridgePorts.watch(interfaces, broken));

  let mayServe = (_uid: number): boolean => false;
  const leases = cleanup.use(
    new Leases(allowed, { routing: settings.routing, interfaces, mayServe: (uid) => mayServe(uid) }, (what) =>
      log('warn', what),
    ),
  );
  const server = new RooterServer(leases, { log });
  // `nft flush ruleset`, or a firewall's restart that does it, takes our tables along, and guests would go free.
  const remake = async (): Promise<void> => {
    if (await haveTables()) return;
    const lost = await leases.remake((before) => makeTables({ ...base, before }));
    await ports.forget();
    log('error', 'somebody deleted our nft tables: they are made anew, and all guests are cut off', { lost });
    server.lost(lost, 'somebody deleted the rules of the rooter');
  };
  cleanup.use(new Monitor('nft', ['monitor', 'tables'], remake, broken));
  try {
    const owner = await listen(server.server, place.path, place).catch(async (error: unknown) => {
      await cleanup[Symbol.asyncDispose]();
      if (wasClean) await removeTables();
      throw error;
    });
    mayServe = (uid) => uid === owner || (place.group !== null && uid !== 0);
    ready();
    log('info', `takes requests at ${place.path} for ${allowed.size} machines`, {
      interfaces: [...interfaces],
    });
    await aborted(signal);
    await server.end(GRACE_MS);
  } finally {
    await server[Symbol.asyncDispose]();
  }
  const left = leases.unstopped;
  // What watches the tables ends before they do.
  await cleanup[Symbol.asyncDispose]();
  if (left.length === 0) await removeTables();
  else
    log(
      'warn',
      `nobody said that these machines have stopped, so their networks stay closed: start the rooter and stop it again, or delete the nft tables inet ${TABLE} and bridge ${TABLE}`,
      { machines: left },
    );
  return left;
}

/**
 * Makes our tables, in place of those that a killed rooter left: its guests are cut off, its changes taken back.
 *
 * @returns false when there was such a rooter: guests of its may still run
 */
async function takeOver(base: Omit<Base, 'bridgeNames' | 'before'>, routing: Routing): Promise<boolean> {
  const left = await found();
  const { owner = null, before = [] } = left ?? {};
  if (owner !== null && owner.pid !== base.owner.pid && (await startOf(owner.pid)) === owner.start)
    throw new SandboxError(
      'ALREADY_RUNNING',
      `another rooter has the rules of this host (process ${owner.pid})`,
    );
  await makeTables({ ...base, before });
  // Whoever changes anything has tables first: without them nothing is left.
  if (left === null) return true;
  for (const change of before) await giveBack(change);
  await sweepPassages();
  await sweepTables([routing.rtTable, ...routing.vpns.map(({ rtTable }) => rtTable)]);
  for (const ip of base.addresses) await forgetConnections(ip);
  return false;
}
