import { reason, SandboxError } from '#domain/errors.js';
import { aborted } from '../aborted.js';
import { Cleanup } from '../cleanup.js';
import { TABLE } from './base-rules.js';
import { BridgePorts } from './bridge-ports.js';
import { forgetConnections } from './connections.js';
import { sweepPassages } from './firewall.js';
import { found, makeTables, nft, removeTables, startOf } from './kernel.js';
import { Leases } from './leases.js';
import { permits, type Configured, type Permit } from './permit.js';
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
  place: Audience & { readonly path: string },
  { log, ready, broken }: Rooter,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const allowed = permits(settings);
  const interfaces = new Set([...allowed.values()].map(({ interface: name }) => name));
  if (allowed.size === 0)
    log('warn', 'no machine in the configuration has an ip and an interface: there is nothing to route');
  await takeOver(settings, allowed);
  await using cleanup = new Cleanup((error) => log('error', `while ending: ${reason(error)}`));
  cleanup.use(await BridgePorts.watch(interfaces, broken));

  let mayServe = (_uid: number): boolean => false;
  const leases = new Leases(
    allowed,
    { routing: settings.routing, interfaces, mayServe: (uid) => mayServe(uid) },
    (what) => log('warn', what),
  );
  const server = new RooterServer(leases, { log });
  try {
    const owner = await listen(server.server, place.path, place);
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
  if (left.length === 0) await removeTables();
  else
    log(
      'warn',
      `nobody said that these machines have stopped, so their networks stay closed: start the rooter and stop it again, or delete the nft tables inet ${TABLE} and bridge ${TABLE}`,
      { machines: left },
    );
  return left;
}

/** Makes our tables, in place of those that a killed rooter left: its guests are cut off, its changes taken back. */
async function takeOver({ routing }: Configured, allowed: ReadonlyMap<string, Permit>): Promise<void> {
  const before = await found();
  if (
    before?.owner &&
    (await startOf(before.owner.pid)) === before.owner.start &&
    before.owner.pid !== process.pid
  )
    throw new SandboxError(
      'ALREADY_RUNNING',
      `another rooter has the rules of this host (process ${before.owner.pid})`,
    );
  const addresses = [...allowed.values()].map(({ ip }) => ip);
  await makeTables({
    interfaces: [...new Set([...allowed.values()].map(({ interface: name }) => name))],
    addresses,
    owner: { pid: process.pid, start: (await startOf(process.pid)) ?? 0 },
    before: before?.before ?? [],
  });
  // Without tables of ours nothing else is.
  if (before === null) return;
  for (const change of before.before) await giveBack(change, false);
  await nft(`flush map inet ${TABLE} before\n`);
  await sweepPassages();
  await sweepTables([routing.rtTable, ...routing.vpns.map(({ rtTable }) => rtTable)]);
  for (const ip of addresses) await forgetConnections(ip);
}
