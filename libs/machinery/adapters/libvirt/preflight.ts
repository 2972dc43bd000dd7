import { reason, SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { LIBVIRT_CODES } from '#libvirt/error.js';
import type { Domain, Snapshot } from '#libvirt/libvirt.js';
import { wrongCards } from './cards.js';
import {
  domainFacts,
  domainOfSnapshot,
  snapshotFacts,
  type DomainFacts,
  type SnapshotFacts,
} from './facts.js';
import type { Found } from './guest.js';
import { isCode, type Hypervisor } from './hypervisor.js';

/** Reverting to external snapshots came with libvirt 9.9.0: major × 1,000,000 + minor × 1000 + release. */
const REVERTS_EXTERNAL = 9_009_000;

/** One thing that keeps a machine from being used, and what to do. */
class Problem extends Error {
  constructor(
    readonly kind: 'CONFIG_INVALID' | 'SETUP_MISSING',
    message: string,
  ) {
    super(message);
  }
}

/**
 * Looks at every machine before the first is used: its domain is there, and the snapshot that is named, or else a current
 * one; in that it has one network card, on the configured interface, with an address that no other machine has. Nothing is
 * changed, and nothing that is missing is replaced by what happens to be there.
 *
 * @param isHere whether libvirt runs on this host
 * @throws CONFIG_INVALID or SETUP_MISSING with all that is wrong, one line each
 */
export async function findAll(
  libvirt: Hypervisor,
  { machines, isHere }: { readonly machines: readonly OwnMachine[]; readonly isHere: boolean },
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const problems: Problem[] = [];
  const found: Found[] = [];
  const owners = new Map<string, string>();
  for (const machine of machines) {
    try {
      found.push(await find(libvirt, machine, { owners, isHere }, signal));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push(error);
    }
  }
  const [first] = problems;
  if (first === undefined) return found;
  const lines = problems.map(({ message }) => message).join('\n');
  throw new SandboxError(first.kind, lines);
}

async function find(
  libvirt: Hypervisor,
  machine: OwnMachine,
  { owners, isHere }: { readonly owners: Map<string, string>; readonly isHere: boolean },
  signal: AbortSignal,
): Promise<Found> {
  const domain = await findDomain(libvirt, machine, signal);
  const snapshot = await findSnapshot(libvirt, machine, domain, signal);
  const snapshotXml = await libvirt.snapshotXml(snapshot, signal);
  const taken = readSnapshot(machine, snapshot, snapshotXml);
  await checkSnapshot(libvirt, machine, { domain, snapshot, taken }, signal);
  // A revert makes the domain as it was then, whatever has been changed since.
  const facts = domainFacts(domainOfSnapshot(snapshotXml) ?? (await libvirt.xml(domain, signal)));
  checkDomain(machine, domain, facts, owners);
  const wrong = await wrongCards(libvirt, machine, { cards: facts.cards, isHere }, signal);
  if (wrong !== null) {
    const what = `${machine.name}: the domain "${domain.name}", as its snapshot "${snapshot.name}" has it, has ${wrong}`;
    throw new Problem('CONFIG_INVALID', `${what}; then take the snapshot again`);
  }
  return { machine, domain, snapshot, taken: taken.state, memoryBytes: facts.memoryBytes };
}

async function findDomain(
  libvirt: Hypervisor,
  { name, label }: OwnMachine,
  signal: AbortSignal,
): Promise<Domain> {
  try {
    return await libvirt.domain(label, signal);
  } catch (error) {
    if (!isCode(error, LIBVIRT_CODES.noDomain)) throw error;
    const names = (await libvirt.domains(signal)).map((domain) => domain.name);
    throw new Problem(
      'CONFIG_INVALID',
      `${name}: ${libvirt.uri} has no domain "${label}" (\`label\` in kvm.conf); ${listed(names)}`,
    );
  }
}

function checkDomain(
  { name }: OwnMachine,
  domain: Domain,
  { cards, macs }: DomainFacts,
  owners: Map<string, string>,
): void {
  if (cards.length === 0)
    throw new Problem('SETUP_MISSING', `${name}: the domain "${domain.name}" has no network card`);
  const uuid = domain.uuid.toString('hex');
  const twin = owners.get(uuid);
  if (twin !== undefined)
    throw new Problem(
      'CONFIG_INVALID',
      `${name}: the domain "${domain.name}" is already the machine ${twin}`,
    );
  owners.set(uuid, name);
  for (const mac of macs) {
    const other = owners.get(mac);
    if (other !== undefined) {
      const what = `${name}: its MAC address ${mac} is also that of ${other}`;
      throw new Problem(
        'CONFIG_INVALID',
        `${what}; give one of the domains another and take its snapshot again`,
      );
    }
    owners.set(mac, name);
  }
}

async function findSnapshot(
  libvirt: Hypervisor,
  { name, snapshot }: OwnMachine,
  domain: Domain,
  signal: AbortSignal,
): Promise<Snapshot> {
  if (snapshot !== null) {
    try {
      return await libvirt.snapshot(domain, snapshot, signal);
    } catch (error) {
      if (!isCode(error, LIBVIRT_CODES.noSnapshot)) throw error;
    }
  } else {
    const current = await libvirt.currentSnapshot(domain, signal);
    if (current !== null) return current;
  }
  const names = (await libvirt.snapshots(domain, signal)).map((one) => one.name);
  const what = snapshot === null ? 'no current snapshot' : `no snapshot "${snapshot}"`;
  throw new Problem(
    'SETUP_MISSING',
    `${name}: the domain "${domain.name}" has ${what}; ${listed(names)}. ${howToTake(libvirt.uri, domain.name, snapshot ?? 'clean')}`,
  );
}

function readSnapshot({ name }: OwnMachine, snapshot: Snapshot, xml: string): SnapshotFacts {
  try {
    return snapshotFacts(xml);
  } catch (error) {
    throw new Problem(
      'SETUP_MISSING',
      `${name}: the snapshot "${snapshot.name}" is of no use: ${reason(error)}`,
    );
  }
}

async function checkSnapshot(
  libvirt: Hypervisor,
  { name }: OwnMachine,
  { domain, snapshot, taken }: { domain: Domain; snapshot: Snapshot; taken: SnapshotFacts },
  signal: AbortSignal,
): Promise<void> {
  const what = `${name}: the snapshot "${snapshot.name}" of the domain "${domain.name}"`;
  const remedy = howToTake(libvirt.uri, domain.name, `${snapshot.name}-2`);
  if (taken.state === 'disks')
    throw new Problem(
      'SETUP_MISSING',
      `${what} holds the disks of a running system without its memory. ${remedy}`,
    );
  if (taken.external && (await libvirt.libVersion(signal)) < REVERTS_EXTERNAL)
    throw new Problem(
      'SETUP_MISSING',
      `${what} is external, which this libvirt cannot revert to (9.9 can). On qcow2 disks: ${remedy}`,
    );
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'it has none';
  const shown = [...names].sort().slice(0, 20).join(', ');
  return `it has ${shown}${names.length > 20 ? ` and ${names.length - 20} more` : ''}`;
}

function howToTake(uri: string, domain: string, snapshot: string): string {
  const command = ['virsh', '-c', uri, 'snapshot-create-as', domain, snapshot].map(shellWord).join(' ');
  return `Start the domain, wait until its agent answers, then run: ${command}`;
}

function shellWord(word: string): string {
  return /^[\w./:@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
