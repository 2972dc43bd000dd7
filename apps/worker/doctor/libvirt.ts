import { reason } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { Libvirt, type Domain } from '#libvirt/libvirt.js';
import { parseLibvirtUri, type LibvirtUri, type UriOptions } from '#libvirt/uri.js';
import { domainFacts, snapshotFacts } from '#machinery/adapters/libvirt/facts.js';
import { fail, ok, warn, type Verdict } from '../../verdict.js';
import type { Check } from './check.js';
import type { Configured } from './context.js';
import { ourName } from './owner.js';
import { isOlder } from './tools.js';
import { trySocket } from './unix-socket.js';

/** Milliseconds: by ssh a login comes first. */
const CONNECT_MS = 60_000;
/** The oldest that Malkoha was tried with. */
const TRIED = '9.0';

/** Is the libvirt of this host, not one over ssh, TLS or TCP? */
export function isLocal(dsn: string): boolean {
  try {
    return parseLibvirtUri(dsn).address.transport === 'unix';
  } catch {
    return false; // the check below says what is wrong with it
  }
}

/** Are we let in, does it answer, and has each machine a hardware address of its own? */
export function libvirtCheck(configured: Configured): Check {
  return { name: 'libvirt', ms: CONNECT_MS, run: (signal) => libvirt(configured, signal) };
}

async function libvirt({ settings }: Configured, signal: AbortSignal): Promise<readonly Verdict[]> {
  const { dsn, machines } = settings.kvm;
  const options = environment();
  let uri;
  try {
    uri = parseLibvirtUri(dsn, options);
  } catch (error) {
    return [fail(reason(error), 'correct dsn of [kvm] in kvm.conf')];
  }
  const closed = await closedSocket(uri, signal);
  if (closed !== null) return [closed];
  let connection;
  try {
    connection = await Libvirt.connect(dsn, options, signal);
  } catch (error) {
    signal.throwIfAborted();
    return [fail(reason(error), 'mend what the message names, or correct dsn of [kvm] in kvm.conf')];
  }
  await using found = connection;
  return [await version(found, signal), ...(await domains(found, machines, signal))];
}

async function version(found: Libvirt, signal: AbortSignal): Promise<Verdict> {
  const number = await found.libVersion(signal);
  const text = `${Math.floor(number / 1_000_000)}.${Math.floor(number / 1000) % 1000}`;
  if (!isOlder(text, TRIED)) return ok(`${found.uri} answers, version ${text}`);
  return warn(
    `${found.uri} is version ${text}; Malkoha was tried with ${TRIED} and newer`,
    'install libvirt of a newer release of the system',
  );
}

/** What one look at each machine alone would not find. Domains that are not there are told with their machine. */
async function domains(
  found: Libvirt,
  machines: readonly OwnMachine[],
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  const owners = new Map<string, string>();
  const verdicts: Verdict[] = [];
  const there = new Map((await found.domains(signal)).map((domain) => [domain.name, domain]));
  for (const machine of machines) {
    const domain = there.get(machine.label);
    if (domain === undefined) continue;
    const { macs } = domainFacts(await found.xml(domain, signal));
    const other = macs.map((mac) => owners.get(mac)).find((name) => name !== undefined);
    for (const mac of macs) owners.set(mac, machine.name);
    if (other !== undefined) verdicts.push(twin(machine, other, macs));
    const cold = await coldSnapshot(found, machine, domain, signal);
    if (cold !== null) verdicts.push(cold);
  }
  return verdicts;
}

/** Two guests with one hardware address take each other's packets. */
function twin({ name, label }: OwnMachine, other: string, macs: readonly string[]): Verdict {
  const text = `its hardware address ${macs.join(', ')} is also that of ${other}`;
  const fix = `virsh edit ${label}: give its network card another (or none, then libvirt chooses); then take its snapshot again`;
  return { ...fail(text, fix), check: 'hardware address', machine: name };
}

/** Null unless its snapshot was taken while it was off. */
async function coldSnapshot(
  found: Libvirt,
  { name, label, snapshot: wanted }: OwnMachine,
  domain: Domain,
  signal: AbortSignal,
): Promise<Verdict | null> {
  const all = await found.snapshots(domain, signal);
  const current = wanted === null ? await found.currentSnapshot(domain, signal) : null;
  const snapshot = current ?? all.find((one) => one.name === wanted);
  if (snapshot === undefined) return null;
  if (snapshotFacts(await found.snapshotXml(snapshot, signal)).state !== 'off') return null;
  const better = `${snapshot.name}-running`;
  return {
    ...warn(
      `its snapshot ${snapshot.name} was taken while it was off: each analysis boots its system first`,
      `virsh start ${label}, wait until its agent answers, virsh snapshot-create-as ${label} ${better}, and write snapshot = ${better} in [${name}] of kvm.conf`,
    ),
    check: 'snapshot',
    machine: name,
  };
}

/** Null when a socket takes connections, or there is none to look at: it is on another host. */
async function closedSocket({ address }: LibvirtUri, signal: AbortSignal): Promise<Verdict | null> {
  if (address.transport !== 'unix') return null;
  const [first = ''] = address.sockets;
  let socket = first;
  let tried = await trySocket(first, signal);
  for (const other of address.sockets.slice(1)) {
    if (tried.state !== 'missing') break;
    socket = other;
    tried = await trySocket(other, signal);
  }
  switch (tried.state) {
    case 'open':
      return null;
    case 'missing':
      return fail(
        `${address.sockets.join(' and ')} ${address.sockets.length > 1 ? 'are' : 'is'} not there: libvirtd does not run, or dsn in kvm.conf names another place`,
        'apt-get install libvirt-daemon-system && systemctl enable --now libvirtd.socket',
      );
    case 'stale':
      return fail(
        `nobody listens on ${socket}: libvirtd has ended`,
        'systemctl restart libvirtd.socket libvirtd',
      );
    case 'denied': {
      const group = tried.group === '?' || tried.group === 'root' ? 'libvirt' : tried.group;
      return fail(
        `${ourName()} may not use ${socket} (of ${tried.owner}:${tried.group}, mode ${tried.mode})`,
        `usermod -aG ${group} ${ourName()}, then log in again`,
      );
    }
    case 'other':
      return fail(`${socket}: ${tried.error}`, 'systemctl status libvirtd');
  }
}

/** Where a session's daemon and the keys of ssh are: the libraries ask nobody. */
function environment(): UriOptions {
  const { XDG_RUNTIME_DIR: runtimeDir, SSH_AUTH_SOCK: agent } = process.env;
  return { ...(runtimeDir !== undefined && { runtimeDir }), ...(agent !== undefined && { agent }) };
}
