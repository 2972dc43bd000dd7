import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import { addSection, hasSection, removeSection, setKey } from './edit.js';
import { FAKE_MACHINE } from './fake-conf.js';
import { splitList, type Section } from './field.js';
import { defaultFile } from './files.js';
import { Findings, told } from './findings.js';
import type { Variables } from './ini.js';
import { KVM_MACHINE } from './kvm-conf.js';
import { layersOf, type ConfTexts } from './layers.js';
import type { MachineryName } from './machineries.js';
import { QEMU_MACHINE } from './qemu-conf.js';
import { hint, readConf } from './read-conf.js';
import { settingsOf } from './settings.js';
import { VIRTUALBOX_MACHINE } from './virtualbox-conf.js';

/** For each machinery the keys of a machine's section, and what `machines` says when none is named. */
const KINDS: Readonly<Record<MachineryName, { readonly keys: Section; readonly none: string }>> = {
  qemu: { keys: QEMU_MACHINE, none: 'auto' },
  kvm: { keys: KVM_MACHINE, none: '' },
  virtualbox: { keys: VIRTUALBOX_MACHINE, none: '' },
  fake: { keys: FAKE_MACHINE, none: '0' },
};

/** Where the configuration is, and what is in it. */
export interface ConfFolder {
  readonly confDir: string;
  readonly texts: ConfTexts;
  readonly variables?: Variables;
}

export interface Edited {
  readonly file: string;
  readonly text: string;
}

/**
 * `<machinery>.conf` with one machine more: a section of its own, named in `machines`. A section that is there and not named
 * is only named.
 *
 * @throws BAD_REQUEST when a key or a value is not accepted, or there is such a machine
 */
export function addMachine(
  conf: ConfFolder,
  machinery: MachineryName,
  name: string,
  keys: ReadonlyMap<string, string>,
): Edited {
  const file = join(conf.confDir, `${machinery}.conf`);
  const text = conf.texts.get(file) ?? defaultFile(machinery);
  if (name === machinery) refuse(`a machine cannot be called ${name}: that section is the machinery's own`);
  if (!/^[A-Za-z][\w.-]{0,62}$/.test(name))
    refuse(
      `${JSON.stringify(name)} is no name for a machine: letters, digits, ".", "_" and "-", a letter first, at most 63`,
    );
  for (const [key, value] of keys) checkKey(machinery, name, key, value);
  const { listed, sections } = named(conf, machinery);
  if (machinesOf(listed).includes(name)) refuse(`${machinery}.conf has a machine ${name} already`);
  if (sections.has(name) && keys.size > 0)
    refuse(
      `${machinery}.conf has a section [${name}], which \`machines\` does not name: without keys, this names it`,
    );
  const withSection = sections.has(name) ? text : addSection(text, name, [...keys]);
  const edited = {
    file,
    text: setKey(withSection, machinery, 'machines', withName(machinery, listed, name)),
  };
  accept(conf, edited, machinery, name, 'there');
  return edited;
}

/** Every file that names the machine or has its section, without both. @throws BAD_REQUEST when none does */
export function removeMachine(conf: ConfFolder, machinery: MachineryName, name: string): Edited {
  const file = join(conf.confDir, `${machinery}.conf`);
  const text = conf.texts.get(file) ?? '';
  const { listed } = named(conf, machinery);
  const left = splitList(listed).filter((word) => word !== name);
  const inList = left.length < splitList(listed).length;
  if (name === machinery || !(inList || hasSection(text, name)))
    refuse(`${file} has no machine ${JSON.stringify(name)}${hint(name, machinesOf(listed))}`);
  const without = removeSection(text, name);
  const rest = left.length === 0 ? KINDS[machinery].none : left.join(joiner(listed));
  const edited = { file, text: inList ? setKey(without, machinery, 'machines', rest) : without };
  accept(conf, edited, machinery, name, 'gone');
  return edited;
}

/** Machinery whose file names the machine. */
export function machineryOf(conf: ConfFolder, name: string): readonly MachineryName[] {
  const kinds = Object.keys(KINDS) as MachineryName[];
  return kinds.filter((kind) => {
    const { listed, sections } = named(conf, kind);
    return machinesOf(listed).includes(name) || (name !== kind && sections.has(name));
  });
}

function named(
  { confDir, texts, variables }: ConfFolder,
  machinery: MachineryName,
): { listed: string; sections: ReadonlySet<string> } {
  const source = layersOf(confDir, machinery, texts, variables);
  const { given, others } = readConf(source, { schema: {} }, new Findings());
  return { listed: given.get(`${machinery}.machines`)?.value ?? '', sections: new Set(others.keys()) };
}

/** Names among the words of `machines`. */
function machinesOf(listed: string): readonly string[] {
  return splitList(listed).filter((word) => word !== 'auto' && !/^\d+$/.test(word));
}

function withName(machinery: MachineryName, listed: string, name: string): string {
  // Default guests of QEMU are not run beside machines of one's own; fake ones are.
  const kept = machinery === 'fake' ? splitList(listed === '' ? '4' : listed) : machinesOf(listed);
  return [...kept, name].join(joiner(listed));
}

/** As the list was written. */
function joiner(listed: string): string {
  return /,\S/.test(listed) ? ',' : ', ';
}

function checkKey(machinery: MachineryName, name: string, key: string, value: string): void {
  const { keys } = KINDS[machinery];
  const field = Object.hasOwn(keys, key) ? keys[key] : undefined;
  if (field === undefined)
    return refuse(
      `a machine of ${machinery} has no key ${JSON.stringify(key)}${hint(key, Object.keys(keys))}`,
    );
  if (field.parse(value) === undefined)
    refuse(`[${name}] ${key} = ${JSON.stringify(value)}: expected ${field.accepted}`);
}

/** Reads the whole configuration as it would be: nothing is written that would not start. */
function accept(
  { confDir, texts, variables }: ConfFolder,
  { file, text }: Edited,
  machinery: MachineryName,
  name: string,
  wanted: 'there' | 'gone',
): void {
  const before = new Findings();
  settingsOf(confDir, texts, before, variables);
  const after = new Findings();
  const settings = settingsOf(confDir, new Map([...texts, [file, text]]), after, variables);
  const old = new Set(before.problems.map((problem) => problem.text));
  const [problem] = after.problems.filter((one) => !old.has(one.text));
  if (problem !== undefined) refuse(`nothing was changed, for then: ${told(problem)}`);
  const present = settings[machinery].machines.some((machine) => machine.name === name);
  const leftOut = after.notes.find((note) => note.text.startsWith(`[${name}] is left out`));
  if (!present && wanted === 'there' && leftOut !== undefined)
    refuse(`nothing was changed, for then: ${told(leftOut)}`);
  if (present !== (wanted === 'there'))
    refuse(`nothing was changed: another layer than ${file} says which machines there are`);
}

function refuse(why: string): never {
  throw new SandboxError('BAD_REQUEST', why);
}
