import { asksInVain, parseBool, type Section, type Values } from './field.js';
import { Findings, type Place } from './findings.js';
import { mergeInis, parseIni, type Ini, type IniEntry, type IniText, type Variables } from './ini.js';

export type Schema = Readonly<Record<string, Section>>;

/** One .conf file with all that is laid over it. */
export interface ConfSource {
  /** Path of the file itself, for messages about what is nowhere. */
  readonly file: string;
  /** Later ones win. */
  readonly layers: readonly IniText[];
  readonly variables?: Variables;
}

export interface Conf<S extends Schema> {
  readonly values: { readonly [K in keyof S]: Values<S[K]> };
  /** Sections the schema does not have: machines of one's own. */
  readonly others: ReadonlyMap<string, OtherSection>;
  /** Keys somebody wrote, as `section.key`. */
  readonly given: ReadonlyMap<string, IniEntry>;
}

export interface OtherSection {
  readonly place: Place;
  readonly entries: readonly IniEntry[];
}

interface ConfOptions<S extends Schema> {
  readonly schema: S;
  /** Sections that are ours, not Cuckoo's: an unknown key there is a mistake. Elsewhere it only warns. */
  readonly strict?: readonly string[];
}

export function confText(file: string, text: string, variables?: Variables): ConfSource {
  return { file, layers: [{ file, text }], ...(variables && { variables }) };
}

/**
 * The text of one .conf file over the defaults of its schema. A problem names file, line, key, what is accepted, and the
 * nearest known key; the default takes the place of what is not accepted.
 */
export function readConf<S extends Schema>(
  source: ConfSource,
  { schema, strict = [] }: ConfOptions<S>,
  findings: Findings,
): Conf<S> {
  const ini = mergeInis(source.layers.map((layer) => parseIni(layer, findings, source.variables)));
  const values: Record<string, unknown> = {};
  for (const [name, section] of Object.entries(schema)) {
    const entries = ini.entries.filter((entry) => entry.section === name);
    values[name] = readSection(entries, { schema: section, strict: strict.includes(name) }, findings);
  }
  return {
    values: values as Conf<S>['values'],
    others: otherSections(ini, schema),
    given: new Map(ini.entries.map((entry) => [`${entry.section}.${entry.key}`, entry])),
  };
}

/** A value in a message: without the password of an address. */
function shown(value: string): string {
  return JSON.stringify(value.replace(/^(\w[\w+.-]*:\/\/[^:@/\s]*):[^@\s]*@/, '$1:…@'));
}

/** Where a key was set, else where its section begins, else the file. */
export function placeOf({ file, layers, variables }: ConfSource, section: string, key: string): Place {
  const ini = mergeInis(layers.map((layer) => parseIni(layer, new Findings(), variables)));
  const entry = ini.entries.find((one) => one.section === section && one.key === key);
  return entry ?? ini.sections.get(section) ?? { file };
}

export function readSection<S extends Section>(
  entries: readonly IniEntry[],
  { schema, strict }: { schema: S; strict: boolean },
  findings: Findings,
): Values<S> {
  const values: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(schema)) values[key] = field.fallback;

  // What is turned off asks for nothing, whatever its other keys say.
  const off = entries.some(({ key, value }) => key === 'enabled' && parseBool(value) === false);
  for (const entry of entries) {
    const { section, key, value } = entry;
    const field = Object.hasOwn(schema, key) ? schema[key] : undefined;
    if (!field) {
      const text = `[${section}] ${key} is not a known key${hint(key, Object.keys(schema))}`;
      if (strict) findings.problem(entry, text);
      else findings.note(entry, text);
      continue;
    }
    const parsed = field.parse(value);
    if (parsed === undefined) {
      const why = field.why?.(value) ?? '';
      const what = `${field.accepted}${why === '' ? '' : `; ${why}`}`;
      findings.problem(entry, `[${section}] ${key} = ${shown(value)}: expected ${what}`);
      continue;
    }
    if (!off && asksInVain(field, value)) findings.note(entry, `[${section}] ${key}: ${field.doc}`);
    values[key] = parsed;
  }
  return values as Values<S>;
}

/** Of sections that nothing names: a note, for they may be meant for later. */
export function noteUnnamed(
  { others }: Pick<Conf<Schema>, 'others'>,
  named: readonly string[],
  why: string,
  findings: Findings,
): void {
  for (const [name, { place }] of others)
    if (!named.includes(name)) findings.note(place, `[${name}] ${why} and has no effect`);
}

/** Of sections that have no name one chooses. */
export function noteUnknown(schema: Schema, others: Conf<Schema>['others'], findings: Findings): void {
  for (const [name, { place }] of others)
    findings.note(place, `[${name}] is not a known section${hint(name, Object.keys(schema))}`);
}

function otherSections(ini: Ini, schema: Schema): Map<string, OtherSection> {
  const others = [...ini.sections].filter(([name]) => !Object.hasOwn(schema, name));
  return new Map(
    others.map(([name, place]) => [
      name,
      { place, entries: ini.entries.filter((entry) => entry.section === name) },
    ]),
  );
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
