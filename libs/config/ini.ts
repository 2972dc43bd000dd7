import type { Findings, Place } from './findings.js';

export interface IniEntry extends Place {
  /** Section names are case-sensitive. */
  readonly section: string;
  /** Lower case. */
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

export interface Ini {
  /** Section → its first header. */
  readonly sections: ReadonlyMap<string, Place>;
  /** In file order; of a key given twice in one section only the last remains, as Python has it. */
  readonly entries: readonly IniEntry[];
}

export interface IniText {
  /** Path, for messages. */
  readonly file: string;
  readonly text: string;
  /** See Place. */
  readonly shipped?: boolean;
}

/** What `%(NAME)s` stands for, by upper-case name; CAPE's environment variables are `ENV:NAME`. */
export type Variables = ReadonlyMap<string, string>;

/**
 * Reads INI text as Python 2's ConfigParser did, for Cuckoo's files must load as they are: `[section]`,
 * `key = value` or `key: value`, comments from `#` or `;` at line start, and inline from a `;` after a space.
 * `%(NAME)s` is replaced from `variables`; a literal `%(` is written `%%(`. A line that is none of these is a problem.
 *
 * @see https://docs.python.org/2.7/library/configparser.html
 */
export function parseIni(
  { file, text, shipped = false }: IniText,
  findings: Findings,
  variables: Variables = new Map(),
): Ini {
  const sections = new Map<string, Place>();
  const entries = new Map<string, IniEntry>();
  let section: string | null = null;
  let lastKey: string | null = null;

  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = index + 1;
    const place: Place = shipped ? { file, line, shipped } : { file, line };
    const refuse = (why: string): void => findings.problem(place, why);
    const content = raw.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;

    if (/^\s/.test(raw) && lastKey !== null) {
      refuse(`the indented line would continue the value of "${lastKey}"; remove the leading space`);
      continue;
    }
    const header = /^\[([^\]]+)\]/.exec(content);
    if (header?.[1] !== undefined) {
      section = header[1];
      lastKey = null;
      if (!sections.has(section)) sections.set(section, place);
      continue;
    }
    if (content.startsWith('[')) {
      refuse('a section is written [name]');
      continue;
    }
    if (section === null) {
      refuse('a [section] line must come first');
      continue;
    }
    const { key, rest } = keyOf(content);
    if (key === '') {
      refuse('neither a [section] nor "key = value"');
      continue;
    }
    lastKey = key;
    const value = interpolate(uncomment(rest), variables);
    if (typeof value !== 'string') {
      refuse(`${key}: ${value.why}`);
      continue;
    }
    const name = `${section}\n${key}`;
    const before = entries.get(name);
    if (before) findings.note(place, `[${section}] ${key} was already set in line ${before.line}`);
    entries.delete(name);
    entries.set(name, { ...place, section, key, value, line });
  }
  return { sections, entries: [...entries.values()] };
}

/** Several files as one: what a later one says takes the place of what an earlier one said. */
export function mergeInis(inis: readonly Ini[]): Ini {
  const sections = new Map<string, Place>();
  const entries = new Map<string, IniEntry>();
  for (const ini of inis) {
    for (const [name, place] of ini.sections) if (!sections.has(name)) sections.set(name, place);
    for (const entry of ini.entries) entries.set(`${entry.section}\n${entry.key}`, entry);
  }
  return { sections, entries: [...entries.values()] };
}

/** The key of a line in lower case, and what follows its `=` or `:`; an empty key when there is none. */
export function keyOf(content: string): { key: string; rest: string } {
  const at = content.search(/[:=]/);
  return { key: content.slice(0, Math.max(at, 0)).trim().toLowerCase(), rest: content.slice(at + 1) };
}

/** Only the first `;` counts, and only after a space: Python looked no further. `""` is how Python wrote nothing. */
function uncomment(text: string): string {
  const at = text.indexOf(';');
  const value = at > 0 && /\s/.test(text.charAt(at - 1)) ? text.slice(0, at) : text;
  return value.trim() === '""' ? '' : value.trim();
}

function interpolate(value: string, variables: Variables): string | { why: string } {
  for (const [match, name] of value.matchAll(/%%|%\(([^)]*)\)s|%\(/g)) {
    if (match === '%%') continue;
    if (name === undefined) return { why: '"%(" must be %(NAME)s with a known name, or written %%(' };
    if (variables.has(name.toUpperCase())) continue;
    return {
      why: /^ENV:/i.test(name)
        ? `the environment variable ${JSON.stringify(name.slice(4))} of %(${name})s is not set`
        : `"%(" must be %(NAME)s with a known name, or written %%(; ${JSON.stringify(name)} is not known: %(CUCKOO_…)s and %(ENV:…)s insert environment variables`,
    };
  }
  return value.replace(/%%|%\(([^)]*)\)s/g, (match, name: string | undefined) =>
    match === '%%' ? '%' : (variables.get((name ?? '').toUpperCase()) ?? ''),
  );
}
