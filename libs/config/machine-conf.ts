import { isIPv4 } from 'node:net';
import type { OwnMachine, Platform } from '#domain/machine.js';
import { bool, choice, int, list, matching, optionalInt, splitList, text, unused } from './field.js';
import type { Field, Section, Values } from './field.js';
import type { Findings } from './findings.js';
import { hint, noteUnnamed, readSection, type Conf, type OtherSection, type Schema } from './read-conf.js';

/** What the name of an interface of Linux may be: 15 bytes, no space, no slash. */
export const INTERFACE = /^[^\s/]{1,15}$/;
export const INTERFACE_WORDS = 'the name of an interface, at most 15 characters';

/** Of the result server, as Cuckoo has it. */
const USUAL_PORT = 2042;

const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;
/** The default guests' number stands in the same place. */
const QEMU_NAME = /^[A-Za-z][\w.-]{0,62}$/;

/** Can a section that the operator names be called so, in the file of this name? */
export function isSectionName(file: string, word: string): boolean {
  return (file === 'qemu' ? QEMU_NAME : NAME).test(word);
}

/** A key such as `machines`: names of sections, separated by commas. `also`: what else it may be. */
export function sectionNames(
  file: string,
  fallback: string,
  doc: string,
  also?: { readonly form: RegExp; readonly accepted: string },
): Field<string> {
  const bad = (value: string) => splitList(value).filter((word) => !isSectionName(file, word));
  const isGood = (value: string) =>
    value === fallback || also?.form.test(value) === true || (value !== '' && bad(value).length === 0);
  const first = file === 'qemu' ? 'a letter' : 'a letter or digit';
  return {
    ...text(fallback, doc),
    accepted: `${also === undefined ? '' : `${also.accepted}, or `}names of sections separated by commas`,
    parse: (value) => (isGood(value) ? value : undefined),
    why: (value) =>
      bad(value).length === 0
        ? ''
        : `${bad(value)
            .map((word) => JSON.stringify(word))
            .join(', ')} cannot be one: letters, digits, ".", "_" and "-", ` +
          `${first} first, at most 63; rename it here and in its section's header`,
  };
}

/** Where a guest is told to send its results, when its own section does not say. */
export interface ResultServerAddress {
  readonly ip: string;
  readonly port: number;
}

/** The keys that a machine's section has whatever runs it: Cuckoo's, CAPE's `arch` and `reserved`, and `agent_port`. */
export function machineFields(platform: Platform) {
  const others = (['windows', 'linux', 'darwin', 'android'] as const).filter((one) => one !== platform);
  return {
    label: text('', 'What the hypervisor calls the machine. Empty: the name of the section.'),
    platform: choice<Platform>(platform, others, 'What the guest runs.'),
    ip: ipv4('', 'Address of the guest, which must have it always. It is needed.'),
    arch: matching(
      '',
      /^[a-z0-9_]{1,32}$/,
      'a word such as x64, x86 or arm64',
      'What its processor is called. Empty: x64.',
    ),
    snapshot: text('', 'Snapshot with a booted system and a listening agent. Empty: the current one.'),
    interface: matching(
      '',
      INTERFACE,
      INTERFACE_WORDS,
      'Interface of the host that the guest is behind. Empty: the one above.',
    ),
    resultserver_ip: ipv4(
      '',
      'Where the guest finds the result server. Empty: [resultserver] ip in cuckoo.conf.',
    ),
    resultserver_port: optionalInt(
      '',
      'Its port there. Empty: [resultserver] port in cuckoo.conf; 2042 when that is 0, for a guest must know it.',
      {
        min: 1,
        max: 65535,
      },
    ),
    tags: list(
      [],
      "What a task may ask for. A machine with Cuckoo's tag service is left out: nothing here runs those.",
    ),
    options: words(
      'nictrace: the hypervisor captures the packets, where it can (VirtualBox), not tcpdump. noagent: the guest has no\nagent; such a machine is left out, for no task could run there.',
    ),
    reserved: bool(false, 'Kept for tasks that ask for the machine, by its name or by one of its tags.'),
    agent_port: int(8000, 'TCP port of the agent in the guest.', { min: 1, max: 65535 }),
    osprofile: unused('', 'memory is kept, not examined with Volatility.'),
    mem_profile: unused('', 'memory is kept, not examined with Volatility.'),
  } as const satisfies Section;
}

/** Comma or space between them, as VirtualBox's `options` had it. */
function words(doc: string): Field<readonly string[]> {
  return { ...list([], doc), accepted: 'words separated by commas or spaces', parse: splitWords };
}

function splitWords(value: string): readonly string[] {
  return splitList(value.replaceAll(/\s+/g, ','));
}

export function ipv4(fallback: string, doc: string): Field<string> {
  const parse = (value: string) => (value === fallback || isIPv4(value) ? value : undefined);
  return { ...text(fallback, doc), accepted: 'an IPv4 address', parse };
}

interface MachineOptions<S extends Section> {
  /** Section whose `machines` names them. */
  readonly section: string;
  readonly names: readonly string[];
  readonly schema: S;
  /** The interface of machines that do not say theirs. */
  readonly interface: string;
  readonly resultServer: ResultServerAddress;
  /** Is the machine alone in its network, so that its address is nobody else's affair? */
  readonly isAlone?: (machine: OwnMachine) => boolean;
}

type MachineSection = ReturnType<typeof machineFields>;

/** A machine with what its own section says beyond what all machines have. */
export interface ReadMachine<S extends Section> {
  readonly machine: OwnMachine;
  readonly values: Values<S>;
}

/**
 * The machines that `machines` names, each a section of its own. Problems: a name without a section, a machine without an
 * address, two with one label or, in one network, one address. Sections that are not named are noted, and machines that
 * are left out because no task could run there.
 */
export function readMachines<S extends MachineSection>(
  file: string,
  conf: Pick<Conf<Schema>, 'others' | 'given'>,
  options: MachineOptions<S>,
  findings: Findings,
): readonly ReadMachine<S>[] {
  const names = [...new Set(options.names)];
  const key = `[${options.section}] machines`;
  noteUnnamed(conf, names, `is not named in ${key}`, findings);
  const machines = names.flatMap((name) => {
    const found = conf.others.get(name);
    if (found !== undefined) {
      const read = readMachine(name, found, options, findings);
      return isLeftOut(read.machine, found, findings) ? [] : [read];
    }
    const place = conf.given.get(`${options.section}.machines`) ?? { file };
    const near = hint(name, [...conf.others.keys()]);
    findings.problem(place, `${key} names "${name}", but there is no section [${name}]${near}`);
    return [];
  });
  const { isAlone = () => false } = options;
  refuseTwins('label', machines, conf, findings);
  refuseTwins(
    'ip',
    machines.filter(({ machine }) => !isAlone(machine)),
    conf,
    findings,
  );
  return machines;
}

/** A service machine of Cuckoo's, such as a honeypot, or one that nothing can be run in: a task would wait in vain. */
function isLeftOut(
  { name, tags, options }: OwnMachine,
  { place, entries }: OtherSection,
  findings: Findings,
): boolean {
  const [key, why] = tags.includes('service')
    ? ['tags', 'its tag service makes it a service machine, and nothing here runs those']
    : options.includes('noagent')
      ? ['options', 'it has the option noagent, and without an agent no task can run there']
      : [];
  if (key === undefined) return false;
  findings.note(entries.find((entry) => entry.key === key) ?? place, `[${name}] is left out: ${why}`);
  return true;
}

function readMachine<S extends MachineSection>(
  name: string,
  { place, entries }: OtherSection,
  { schema, interface: usual, resultServer }: MachineOptions<S>,
  findings: Findings,
): ReadMachine<S> {
  const values = readSection(entries, { schema, strict: false }, findings);
  const shared = values as Values<MachineSection>;
  if (shared.ip === '' && !findings.problems.some(({ text: told }) => told.startsWith(`[${name}] ip `)))
    findings.problem(place, `[${name}] has no ip: the guest's IPv4 address must be known`);
  const spelled = SPELLINGS.get(shared.arch);
  if (spelled !== undefined) {
    const entry = entries.find(({ key }) => key === 'arch') ?? place;
    findings.note(entry, `[${name}] arch = ${shared.arch} is taken as ${spelled}`);
  }
  const machine: OwnMachine = {
    name,
    label: shared.label || name,
    platform: shared.platform,
    arch: spelled ?? (shared.arch || 'x64'),
    tags: shared.tags,
    reserved: shared.reserved,
    ip: shared.ip,
    resultServer: {
      ip: shared.resultserver_ip || resultServer.ip,
      port: shared.resultserver_port ?? (resultServer.port || USUAL_PORT),
    },
    snapshot: shared.snapshot || null,
    interface: shared.interface || usual,
    options: shared.options,
    agentPort: shared.agent_port,
  };
  return { machine, values };
}

/** Other names of processors, and ours. */
const SPELLINGS: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'x64'],
  ['amd64', 'x64'],
  ['i386', 'x86'],
  ['i686', 'x86'],
  ['aarch64', 'arm64'],
]);

/** A guest is known by its address, and a machine by its label: two of one would be taken for each other. */
function refuseTwins(
  key: 'label' | 'ip',
  machines: readonly ReadMachine<MachineSection>[],
  { others }: Pick<Conf<Schema>, 'others'>,
  findings: Findings,
): void {
  const first = new Map<string, string>();
  for (const { machine } of machines) {
    const before = first.get(machine[key]);
    if (before === undefined) first.set(machine[key], machine.name);
    else if (machine[key] !== '')
      findings.problem(
        others.get(machine.name)?.entries.find((entry) => entry.key === key) ??
          others.get(machine.name)?.place ?? { file: '' },
        `[${machine.name}] ${key} = ${JSON.stringify(machine[key])}: [${before}] has it too; each machine needs its own`,
      );
  }
}
