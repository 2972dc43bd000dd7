import { SandboxError } from '#domain/errors.js';
import type { Section, Values } from './field.js';
import { parseIni, type Ini, type IniEntry } from './ini.js';

type Schema = Readonly<Record<string, Section>>;

export interface Conf<S extends Schema> {
  readonly values: { readonly [K in keyof S]: Values<S[K]> };
  /** Sections the schema does not have, key → entry: machines of one's own. */
  readonly others: ReadonlyMap<string, readonly IniEntry[]>;
  /** Keys somebody wrote, as `section.key`. */
  readonly given: ReadonlySet<string>;
  readonly warnings: readonly string[];
}

export interface ConfFile<S extends Schema> {
  /** Path, for messages. */
  readonly file: string;
  readonly schema: S;
  /** Sections that are ours, not Cuckoo's: an unknown key there is a mistake. Elsewhere it only warns. */
  readonly strict?: readonly string[];
  readonly variables?: ReadonlyMap<string, string>;
}

/**
 * The text of one .conf file over the defaults of its schema.
 *
 * @throws CONFIG_INVALID naming file, line, key, what is accepted, and the nearest known key
 */
export function readConf<S extends Schema>(text: string, options: ConfFile<S>): Conf<S> {
  const { file, schema, strict = [], variables } = options;
  const ini = parseIni(file, text, variables);
  const values: Record<string, Record<string, unknown>> = {};
  const warnings = [...ini.warnings];
  for (const [name, section] of Object.entries(schema)) {
    const entries = ini.entries.filter((entry) => entry.section === name);
    const read = readSection(file, section, entries, strict.includes(name));
    values[name] = read.values;
    warnings.push(...read.warnings);
  }
  return {
    values: values as Conf<S>['values'],
    others: otherSections(ini, schema),
    given: new Set(ini.entries.map(({ section, key }) => `${section}.${key}`)),
    warnings,
  };
}

/** @throws CONFIG_INVALID */
export function readSection<S extends Section>(
  file: string,
  schema: S,
  entries: readonly IniEntry[],
  strict: boolean,
): { values: Values<S>; warnings: string[] } {
  const values: Record<string, unknown> = {};
  const warnings: string[] = [];
  for (const [key, field] of Object.entries(schema)) values[key] = field.fallback;

  for (const { section, key, value, line } of entries) {
    const field = Object.hasOwn(schema, key) ? schema[key] : undefined;
    if (!field) {
      const message = `${file}:${line}: [${section}] ${key} is not a known key${hint(key, Object.keys(schema))}`;
      if (strict) throw new SandboxError('CONFIG_INVALID', message);
      warnings.push(message);
      continue;
    }
    const parsed = field.parse(value);
    if (parsed === undefined) {
      throw new SandboxError(
        'CONFIG_INVALID',
        `${file}:${line}: [${section}] ${key} = ${JSON.stringify(value)}: expected ${field.accepted}`,
      );
    }
    if (!field.used && value !== field.written) {
      warnings.push(`${file}:${line}: [${section}] ${key}: ${field.doc}`);
    }
    values[key] = parsed;
  }
  return { values: values as Values<S>, warnings };
}

function otherSections(ini: Ini, schema: Schema): Map<string, IniEntry[]> {
  const names = [...ini.sections.keys()].filter((name) => !Object.hasOwn(schema, name));
  return new Map(names.map((name) => [name, ini.entries.filter((entry) => entry.section === name)]));
}

/** `; did you mean "x"?`, or nothing when no known word is near. */
export function hint(word: string, known: readonly string[]): string {
  const nearest = known
    .map((candidate) => ({ candidate, far: distance(word, candidate) }))
    .sort((a, b) => a.far - b.far)[0];
  if (!nearest || nearest.far > Math.max(2, word.length / 3)) return '';
  return `; did you mean "${nearest.candidate}"?`;
}

/** Levenshtein distance, for words shorter than a line. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [row, letter] of a.slice(0, 80).split('').entries()) {
    const current = [row + 1];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (letter === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
