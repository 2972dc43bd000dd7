import { SandboxError } from '#domain/errors.js';

export interface IniEntry {
  /** Section names are case-sensitive. */
  readonly section: string;
  /** Lower case. */
  readonly key: string;
  readonly value: string;
  /** Counts from 1. */
  readonly line: number;
}

export interface Ini {
  /** Section → line of its first header. */
  readonly sections: ReadonlyMap<string, number>;
  /** In file order; of a key given twice in one section only the last remains, as Python has it. */
  readonly entries: readonly IniEntry[];
  readonly warnings: readonly string[];
}

/**
 * Reads INI text as Python 2's ConfigParser did, for Cuckoo's files must load as they are: `[section]`,
 * `key = value` or `key: value`, comments from `#` or `;` at line start, and inline from a `;` after a space.
 * `%(NAME)s` is replaced from `variables`; a literal `%(` is written `%%(`.
 *
 * @throws CONFIG_INVALID naming file and line
 * @see https://docs.python.org/2.7/library/configparser.html
 */
export function parseIni(
  file: string,
  text: string,
  variables: ReadonlyMap<string, string> = new Map(),
): Ini {
  const sections = new Map<string, number>();
  const entries = new Map<string, IniEntry>();
  const warnings: string[] = [];
  let section: string | null = null;
  let lastKey: string | null = null;

  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = index + 1;
    const refuse = (why: string) => new SandboxError('CONFIG_INVALID', `${file}:${line}: ${why}`);
    const content = raw.trim();
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue;

    if (/^\s/.test(raw) && lastKey !== null) {
      throw refuse(`the indented line would continue the value of "${lastKey}"; remove the leading space`);
    }
    const header = /^\[([^\]]+)\]/.exec(content);
    if (header?.[1] !== undefined) {
      section = header[1];
      lastKey = null;
      if (!sections.has(section)) sections.set(section, line);
      continue;
    }
    if (section === null) throw refuse('a [section] line must come first');
    const at = content.search(/[:=]/);
    const key = content.slice(0, Math.max(at, 0)).trimEnd().toLowerCase();
    if (key === '') throw refuse('neither a [section] nor "key = value"');

    const value = interpolate(uncomment(content.slice(at + 1)), variables);
    if (value === null) throw refuse(`${key}: "%(" must be %(NAME)s with a known name, or written %%(`);
    const name = `${section}\n${key}`;
    const before = entries.get(name);
    if (before) warnings.push(`${file}:${line}: [${section}] ${key} was already set in line ${before.line}`);
    entries.delete(name);
    entries.set(name, { section, key, value, line });
    lastKey = key;
  }
  return { sections, entries: [...entries.values()], warnings };
}

/** Only the first `;` counts, and only after a space: Python looked no further. `""` is how Python wrote nothing. */
function uncomment(text: string): string {
  const at = text.indexOf(';');
  const value = at > 0 && /\s/.test(text.charAt(at - 1)) ? text.slice(0, at) : text;
  return value.trim() === '""' ? '' : value.trim();
}

/** Null when a name is unknown or a `%(` stands alone. */
function interpolate(value: string, variables: ReadonlyMap<string, string>): string | null {
  const unknown = [...value.matchAll(/%%|%\(([^)]*)\)s|%\(/g)].some(
    ([match, name]) => match !== '%%' && !variables.has((name ?? '').toUpperCase()),
  );
  if (unknown) return null;
  return value.replace(/%%|%\(([^)]*)\)s/g, (match, name: string | undefined) =>
    match === '%%' ? '%' : (variables.get((name ?? '').toUpperCase()) ?? ''),
  );
}
