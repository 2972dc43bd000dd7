import { isFault, FAULTS, type Fault } from '#domain/faults.js';
import {
  choice,
  int,
  list,
  matching,
  splitList,
  text,
  type Field,
  type Section,
  type Values,
} from './field.js';
import type { Findings } from './findings.js';
import { hint, noteUnnamed, readConf, readSection, type ConfSource } from './read-conf.js';

/** Of the runs on a machine, so many percent have the fault. */
export interface FaultChance {
  readonly fault: Fault;
  readonly percent: number;
}

const ARCH = /^[a-z0-9_]{1,32}$/;

/** What [fake] says for all machines, and a machine's own section for itself. */
const BEHAVIOUR = {
  platform: choice('linux', ['windows', 'darwin', 'android'], 'What the guest pretends to run.'),
  arch: matching('x64', ARCH, 'a word such as x64, x86 or arm64', 'What its processor is called.'),
  tags: list(['fake'], 'Tags a task may ask for.'),
  reserved: choice(
    'auto',
    ['yes', 'no'],
    'Kept for tasks that ask for the machine, by its name or by one of its tags.\nauto: yes when other machinery runs beside it, so that no sample passes for harmless because it never ran.',
  ),
  run_ms: int(200, 'Milliseconds a sample seems to run; the time limit of its task still holds.', {
    max: 86_400_000,
  }),
  boot_ms: int(0, 'Milliseconds from the start of the machine until its agent answers.', { max: 3_600_000 }),
  fault: faults(
    'What goes wrong: a fault, or several with the percentage of the runs that have them.\ndocs/howto/try-without-a-hypervisor.md says where each leads.',
  ),
} as const satisfies Section;

/** conf/fake.conf: machines without a hypervisor, whose guests are played by the worker itself. */
export const FAKE_CONF = {
  fake: {
    machines: matching(
      '4',
      /^(\d{1,4}|[A-Za-z][\w.-]{0,62})(\s*,\s*(\d{1,4}|[A-Za-z][\w.-]{0,62}))*$/,
      'a number, names of sections, or both, separated by commas',
      'How many equal machines (fake1, fake2 …), and the names of sections [<name>] that describe others.',
    ),
    ...BEHAVIOUR,
  },
} as const satisfies Record<string, Section>;

/** A section named in `machines`. */
export const FAKE_MACHINE = {
  label: text('', 'What the hypervisor would call the machine. Empty: the name of the section.'),
  ip: matching('10.0.2.15', /^\d{1,3}(\.\d{1,3}){3}$/, 'an IPv4 address', 'Address of the guest.'),
  ...BEHAVIOUR,
} as const satisfies Section;

/** What conf/fake.conf says of such sections. */
export const FAKE_MACHINES_DOC = `# A machine of another kind is a section named in \`machines\`. It takes the keys above, label and ip; what it does not
# say, [fake] says for it.
# [office]
#   platform = windows
#   tags = office, internet
#   reserved = yes
#   fault = crash 5%, dead_agent 1%
`;

export type FakeBehaviour = Values<typeof BEHAVIOUR>;
export type FakeMachineSettings = Values<typeof FAKE_MACHINE> & { readonly name: string };

export interface FakeSettings {
  /** Equal machines: how many, and what they are like. */
  readonly guests: number;
  readonly equal: FakeBehaviour;
  readonly machines: readonly FakeMachineSettings[];
}

export function fakeSettings(source: ConfSource, findings: Findings): FakeSettings {
  const conf = readConf(source, { schema: FAKE_CONF, strict: ['fake'] }, findings);
  const { machines: wanted, ...equal } = conf.values.fake;
  const words = splitList(wanted);
  const names = words.filter((word) => !/^\d+$/.test(word));
  const schema = over(equal);
  const machines = names.flatMap((name) => {
    const found = conf.others.get(name);
    if (found === undefined) {
      const place = conf.given.get('fake.machines') ?? source;
      const near = hint(name, [...conf.others.keys()]);
      findings.problem(place, `[fake] machines names "${name}", but there is no section [${name}]${near}`);
      return [];
    }
    const values = readSection(found.entries, { schema, strict: true }, findings);
    return [{ ...values, name, label: values.label || name }];
  });
  noteUnnamed(conf, names, 'is not named in [fake] machines', findings);
  const guests = words.filter((word) => !names.includes(word)).reduce((sum, word) => sum + Number(word), 0);
  return { guests, equal, machines };
}

/** The schema of a machine's section, with [fake]'s values as the defaults. */
function over(values: FakeBehaviour): typeof FAKE_MACHINE {
  const inherited = Object.entries(BEHAVIOUR).map(([key, field]) => [
    key,
    { ...field, fallback: values[key as keyof FakeBehaviour] },
  ]);
  return { ...FAKE_MACHINE, ...(Object.fromEntries(inherited) as typeof BEHAVIOUR) };
}

/** `none`, a fault, or `crash 5%, hang 1%`: at most 100 % together. */
function faults(doc: string): Field<readonly FaultChance[]> {
  return {
    fallback: [],
    written: 'none',
    accepted: `none, or faults such as "crash" or "crash 5%, hang 1%", of ${FAULTS.join(', ')}`,
    doc,
    used: true,
    usual: [],
    parse: (value) => {
      if (value === 'none') return [];
      const chances = splitList(value).map(faultChance);
      const sum = chances.reduce((total, chance) => total + (chance?.percent ?? NaN), 0);
      return chances.length > 0 && sum <= 100 ? (chances as FaultChance[]) : undefined;
    },
  };
}

function faultChance(text: string): FaultChance | null {
  const [, fault = '', percent = '100'] = /^([a-z_]+)(?:\s+(\d{1,3}(?:\.\d{1,3})?)\s*%)?$/.exec(text) ?? [];
  return isFault(fault) ? { fault, percent: Number(percent) } : null;
}
