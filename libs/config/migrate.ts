import { addSection, commentOut, hasSection, renameKey, renameSection, setKey } from './edit.js';
import { splitList } from './field.js';
import { Findings } from './findings.js';
import { parseIni, type IniEntry } from './ini.js';
import { isSectionName } from './machine-conf.js';

/** Files of a configuration: name without `.conf` → text. */
type Files = Map<string, string>;

type Key = readonly [file: string, section: string, key: string];

/** Keys that later versions of Cuckoo have in another place. @see https://github.com/cuckoosandbox/cuckoo/blob/master/cuckoo/compat/config.py */
const MOVED: readonly (readonly [from: Key, to: Key])[] = [
  // 0.4
  [
    ['cuckoo', 'cuckoo', 'analysis_timeout'],
    ['cuckoo', 'timeouts', 'default'],
  ],
  [
    ['cuckoo', 'cuckoo', 'critical_timeout'],
    ['cuckoo', 'timeouts', 'critical'],
  ],
  [
    ['virtualbox', 'virtualbox', 'timeout'],
    ['cuckoo', 'timeouts', 'vm_state'],
  ],
  [
    ['cuckoo', 'cuckoo', 'analysis_size_limit'],
    ['cuckoo', 'processing', 'analysis_size_limit'],
  ],
  [
    ['cuckoo', 'cuckoo', 'use_sniffer'],
    ['auxiliary', 'sniffer', 'enabled'],
  ],
  [
    ['cuckoo', 'cuckoo', 'tcpdump'],
    ['auxiliary', 'sniffer', 'tcpdump'],
  ],
  [
    ['cuckoo', 'cuckoo', 'interface'],
    ['auxiliary', 'sniffer', 'interface'],
  ],
  // 0.5 and 0.6
  [
    ['cuckoo', 'sniffer', 'enabled'],
    ['auxiliary', 'sniffer', 'enabled'],
  ],
  [
    ['cuckoo', 'sniffer', 'tcpdump'],
    ['auxiliary', 'sniffer', 'tcpdump'],
  ],
  [
    ['cuckoo', 'sniffer', 'interface'],
    ['auxiliary', 'sniffer', 'interface'],
  ],
  [
    ['cuckoo', 'sniffer', 'bpf'],
    ['auxiliary', 'sniffer', 'bpf'],
  ],
  // 2.0-rc1 and 2.0-rc2
  [
    ['vpn', 'vpn', 'auto_rt'],
    ['routing', 'routing', 'auto_rt'],
  ],
  [
    ['cuckoo', 'routing', 'route'],
    ['routing', 'routing', 'route'],
  ],
  [
    ['cuckoo', 'routing', 'internet'],
    ['routing', 'routing', 'internet'],
  ],
  [
    ['cuckoo', 'routing', 'rt_table'],
    ['routing', 'routing', 'rt_table'],
  ],
  [
    ['cuckoo', 'routing', 'auto_rt'],
    ['routing', 'routing', 'auto_rt'],
  ],
];

/** Keys that later versions call something else. */
const RENAMED: readonly (readonly [...Key, to: string])[] = [
  ['cuckoo', 'cuckoo', 'machine_manager', 'machinery'],
  ['processing', 'network', 'whitelist-dns', 'safelist_dns'],
  ['processing', 'network', 'whitelist_dns', 'safelist_dns'],
  ['processing', 'network', 'allowed-dns', 'allowed_dns'],
  ['reporting', 'mattermost', 'show-virustotal', 'show_virustotal'],
  ['reporting', 'mattermost', 'show-signatures', 'show_signatures'],
  ['reporting', 'mattermost', 'show-urls', 'show_urls'],
  ['reporting', 'mattermost', 'hash-filename', 'hash_filename'],
];

const ITS_DATABASE = 'not imported, the database of the other sandbox';
const ITS_FOLDER = 'not imported, the folder of the other sandbox';

/** What must stay the other sandbox's, in cuckoo.conf and distributed.conf: written to, or spoken with, it would break both. */
const LEFT: readonly (readonly [section: string, key: string, why: string])[] = [
  ['database', 'connection', ITS_DATABASE],
  ['cuckoo', 'rooter', 'not imported, the socket of the other sandbox'],
  ['distributed', 'db', ITS_DATABASE],
  ['distributed', 'database', ITS_DATABASE],
  ['distributed', 'samples_directory', ITS_FOLDER],
  ['distributed', 'reports_directory', ITS_FOLDER],
];

/** Files that have such keys. */
export const WITH_OWN_PLACES = ['cuckoo', 'distributed'] as const;

/**
 * Files of Cuckoo 0.4 to 2.0.7 and CAPE as they are written today. Lines are renamed where they stand; of a line that moved a
 * comment stays. `changes` are sentences.
 */
export function migrate(given: ReadonlyMap<string, string>): {
  files: ReadonlyMap<string, string>;
  changes: readonly string[];
} {
  const files: Files = new Map(given);
  const changes: string[] = [];
  for (const [file, section, key, to] of RENAMED) rename(files, [file, section, key], to, changes);
  for (const { section, key } of entriesOf(files, 'qemu'))
    if (key === 'kernel_path') rename(files, ['qemu', section, key], 'kernel', changes);
  for (const [from, to] of MOVED) move(files, from, to, changes);
  moveSnifferInterface(files, changes);
  moveVpns(files, changes);
  for (const machinery of ['qemu', 'kvm', 'virtualbox']) renameMachines(files, machinery, changes);
  for (const name of WITH_OWN_PLACES) {
    const left = leaveOthers(files.get(name) ?? '');
    if (files.has(name)) files.set(name, left.text);
    changes.push(...left.changes.map((change) => `${name}.conf: ${change}`));
  }
  return { files, changes };
}

/** Of a cuckoo.conf or a distributed.conf, or a layer of one. */
export function leaveOthers(given: string): { text: string; changes: readonly string[] } {
  let text = given;
  const changes: string[] = [];
  for (const [section, key, why] of LEFT) {
    if (valueOf(new Map([['any', text]]), ['any', section, key]) === '') continue;
    const without = commentOut(text, section, key, why);
    if (without !== text) changes.push(`[${section}] ${key} is ${why}`);
    text = without;
  }
  return { text, changes };
}

function entriesOf(files: Files, name: string): readonly IniEntry[] {
  return parseIni({ file: name, text: files.get(name) ?? '' }, new Findings()).entries;
}

function valueOf(files: Files, [file, section, key]: Key): string | undefined {
  return entriesOf(files, file).find((entry) => entry.section === section && entry.key === key)?.value;
}

function edit(files: Files, name: string, by: (text: string) => string): void {
  files.set(name, by(files.get(name) ?? ''));
}

function rename(files: Files, from: Key, to: string, changes: string[]): void {
  const [file, section, key] = from;
  if (valueOf(files, from) === undefined || valueOf(files, [file, section, to]) !== undefined) return;
  edit(files, file, (text) => renameKey(text, section, key, to));
  changes.push(`${file}.conf: [${section}] ${key} is called ${to}`);
}

function move(files: Files, from: Key, to: Key, changes: string[]): void {
  const value = valueOf(files, from);
  if (value === undefined) return;
  const [file, section, key] = from;
  const [toFile, toSection, toKey] = to;
  const where = `${toFile === file ? '' : `${toFile}.conf `}[${toSection}] ${toKey}`;
  if (valueOf(files, to) === undefined && value !== '')
    edit(files, toFile, (text) => setKey(text, toSection, toKey, value));
  edit(files, file, (text) => commentOut(text, section, key, `now ${where}`));
  changes.push(`${file}.conf: [${section}] ${key} is now ${where}`);
}

/** Until 1.2 the sniffer had one interface for all machines; since then the machinery has. */
function moveSnifferInterface(files: Files, changes: string[]): void {
  const from: Key = ['auxiliary', 'sniffer', 'interface'];
  const [machinery = ''] = splitList(valueOf(files, ['cuckoo', 'cuckoo', 'machinery']) ?? '');
  if (!files.has(machinery) || valueOf(files, [machinery, machinery, 'interface']) !== undefined) return;
  move(files, from, [machinery, machinery, 'interface'], changes);
}

/** The vpn.conf of 2.0-rc1 and rc2 is part of routing.conf. */
function moveVpns(files: Files, changes: string[]): void {
  const entries = entriesOf(files, 'vpn');
  files.delete('vpn');
  if (entries.length === 0) return;
  for (const { section, key, value } of entries) {
    if (section === 'vpn' && key === 'auto_rt') continue;
    edit(files, 'routing', (text) => {
      const with_ = hasSection(text, section) ? text : addSection(text, section, []);
      return valueOf(files, ['routing', section, key]) === undefined
        ? setKey(with_, section, key, value)
        : with_;
    });
  }
  changes.push('vpn.conf is part of routing.conf');
}

/** Cuckoo took any name of a section, such as [Windows 7]; the hypervisor still knows the machine by its old one. */
function renameMachines(files: Files, machinery: string, changes: string[]): void {
  const text = files.get(machinery) ?? '';
  const words = splitList(valueOf(files, [machinery, machinery, 'machines']) ?? '');
  const renamed = new Map<string, string>();
  for (const word of words) {
    if (isSectionName(machinery, word) || renamed.has(word) || !hasSection(text, word)) continue;
    const isTaken = (name: string) => hasSection(text, name) || [...renamed.values()].includes(name);
    renamed.set(word, freeName(machinery, word, isTaken));
  }
  if (renamed.size === 0) return;
  for (const [name, to] of renamed) {
    edit(files, machinery, (before) => renameSection(before, name, to));
    if ((valueOf(files, [machinery, to, 'label']) ?? '') === '')
      edit(files, machinery, (before) => setKey(before, to, 'label', name));
    const label = valueOf(files, [machinery, to, 'label']);
    changes.push(`${machinery}.conf: [${name}] is called [${to}]; its label is ${label}`);
  }
  const list = words.map((word) => renamed.get(word) ?? word).join(', ');
  edit(files, machinery, (before) => setKey(before, machinery, 'machines', list));
}

/** `Windows 7 (x64)` is `Windows_7_x64`. */
function freeName(machinery: string, given: string, isTaken: (name: string) => boolean): string {
  const plain = given.replaceAll(/[^\w.-]+/g, '_').replaceAll(/^[^A-Za-z0-9]+|_+$/g, '');
  const name = (isSectionName(machinery, plain.slice(0, 1)) ? plain : `vm_${plain}`).slice(0, 59);
  for (let count = 1; ; count += 1) {
    const candidate = count === 1 ? name : `${name}_${count}`;
    if (candidate !== machinery && !isTaken(candidate)) return candidate;
  }
}
