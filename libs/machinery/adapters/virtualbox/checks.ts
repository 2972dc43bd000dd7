import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { mustHaveCard } from './cards.js';
import type { VBoxHost } from './host.js';
import { INACCESSIBLE, parseSnapshots, type Listed } from './machine-readable.js';
import type { Vm } from './power.js';
import { printable, VBoxError } from './vbox-error.js';
import type { VBoxManage } from './vboxmanage.js';

/** Names in a message at most. */
const NAMED = 20;

/**
 * Everything that can be wrong before a machine is first used, so that no task has to find it out.
 *
 * @returns what VirtualBox knows each machine as, in their order
 * @throws SETUP_MISSING, CONFIG_INVALID
 */
export async function checkMachines(
  manage: VBoxManage,
  machines: readonly OwnMachine[],
  signal: AbortSignal,
): Promise<readonly Vm[]> {
  await checkProgram(manage, signal);
  const listed = await manage.list('vms', signal);
  const found: Vm[] = [];
  for (const machine of machines) {
    const { uuid } = ofMachine(manage.host, machine, listed);
    const twin = found.find((other) => other.uuid === uuid);
    if (twin) throw invalid(machine, `label ${quote(machine.label)} is the machine of [${twin.name}] too`);
    const snapshot = machine.snapshot === '' ? null : machine.snapshot;
    await checkSnapshot(manage, { ...machine, snapshot }, uuid, signal);
    found.push({ name: machine.name, uuid, snapshot });
  }
  const there = await checkInterfaces(manage.host, machines);
  for (const [at, machine] of machines.entries()) {
    const info = await manage.info(found[at]?.uuid ?? '', signal);
    mustHaveCard(machine, { info, isHere: there !== null });
  }
  return found;
}

async function checkProgram(manage: VBoxManage, signal: AbortSignal): Promise<void> {
  const { name } = manage.host;
  const version = await manage.version(signal).catch((cause: unknown) => {
    signal.throwIfAborted();
    if (!(cause instanceof VBoxError)) throw cause;
    throw new SandboxError(
      'SETUP_MISSING',
      `${name} does not work: ${cause.message}: install VirtualBox there, or set [virtualbox] path in virtualbox.conf`,
      { cause },
    );
  });
  // It goes on without its kernel module, and no machine starts.
  if (version.includes('vboxdrv'))
    throw new SandboxError(
      'SETUP_MISSING',
      `${name}: ${printable(version)}: run /sbin/vboxconfig as root there`,
    );
  if (!/^\d+\.\d/m.test(version))
    throw new SandboxError('SETUP_MISSING', `${name} is no VBoxManage: its version is ${quote(version)}`);
}

/** A label is a name or a UUID. */
function ofMachine(host: VBoxHost, machine: OwnMachine, listed: readonly Listed[]): Listed {
  const label = machine.label.toLowerCase().replace(/^\{(.*)\}$/, '$1');
  const found =
    listed.find(({ name }) => name === machine.label) ?? listed.find(({ uuid }) => uuid === label);
  const lost = listed.filter(({ name }) => name === INACCESSIBLE).length;
  if (found && found.name !== INACCESSIBLE) return found;
  if (found)
    throw invalid(
      machine,
      `VirtualBox cannot read the settings of ${quote(machine.label)}: is its disk there?`,
    );
  const there = names(listed.map(({ name }) => name).filter((name) => name !== INACCESSIBLE));
  const unreadable = lost === 0 ? '' : ` (and ${lost} whose settings VirtualBox cannot read)`;
  throw invalid(
    machine,
    `VirtualBox has no machine ${quote(machine.label)}; there is ${there}${unreadable} for ${host.name}: VirtualBox shows each user only their own`,
  );
}

async function checkSnapshot(
  manage: VBoxManage,
  machine: OwnMachine,
  uuid: string,
  signal: AbortSignal,
): Promise<void> {
  const { snapshot } = machine;
  const { all, current } = parseSnapshots(await manage.snapshots(uuid, signal));
  const make = `with the guest running and its agent answering: VBoxManage snapshot ${quote(machine.label)} take clean --pause`;
  if (snapshot === null) {
    if (current === null)
      throw invalid(machine, `${quote(machine.label)} has no snapshot: make one, ${make}`);
    return;
  }
  const found = all.filter(({ name, uuid: id }) => name === snapshot || id === snapshot.toLowerCase());
  if (found.length === 0)
    throw invalid(
      machine,
      `${quote(machine.label)} has no snapshot ${quote(snapshot)}; there is ${names(all.map(({ name }) => name))}; to make one, ${make}`,
    );
  if (found.length > 1)
    throw invalid(
      machine,
      `${quote(machine.label)} has ${found.length} snapshots named ${quote(snapshot)}: write the UUID of the right one, ${names(found.map(({ uuid: id }) => id))}`,
    );
}

/** After VirtualBox was asked for something: it makes its host-only interfaces when it starts. */
async function checkInterfaces(
  host: VBoxHost,
  machines: readonly OwnMachine[],
): Promise<readonly string[] | null> {
  const there = await host.interfaces();
  const missing = machines.find((one) => one.interface !== '' && there?.includes(one.interface) === false);
  if (!missing || there === null) return there;
  throw invalid(
    missing,
    `interface ${quote(missing.interface)} is not there; there is ${names(there)}; VirtualBox makes a host-only one with: VBoxManage hostonlyif create`,
  );
}

function names(all: readonly string[]): string {
  if (all.length === 0) return 'none';
  const shown = all.slice(0, NAMED).map(quote).join(', ');
  return all.length > NAMED ? `${shown} and ${all.length - NAMED} more` : shown;
}

const quote = (text: string) => `"${printable(text)}"`;

function invalid(machine: OwnMachine, what: string): SandboxError {
  return new SandboxError('CONFIG_INVALID', `virtualbox.conf: [${machine.name}] ${what}`);
}
