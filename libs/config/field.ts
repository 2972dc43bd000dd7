/** One key of a .conf file: how its text becomes a value, and what its comment in conf/ says. */
export interface Field<T> {
  readonly fallback: T;
  /** The default as it is written in the file. */
  readonly written: string;
  /** Completes "expected …". */
  readonly accepted: string;
  readonly doc: string;
  /** False: a key of Cuckoo's that is read without complaint and has no effect here. */
  readonly used: boolean;
  /** Values of an unused key that ask for nothing, in lower case: what other sandboxes ship. Others are told of. */
  readonly usual: readonly string[];
  /** Undefined when the text is not accepted. */
  readonly parse: (text: string) => T | undefined;
  /** Of a text that is not accepted: which part of it, and by what rule; empty when that cannot be said. */
  readonly why?: (text: string) => string;
}

export type Section = Readonly<Record<string, Field<unknown>>>;

export type Values<S extends Section> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never;
};

const USED = { used: true, usual: [] } as const;

const TRUE = new Set(['true', 'yes', '1', 'on']);
const FALSE = new Set(['false', 'none', 'no', '0', 'off']);

/** Cuckoo's words for yes and no, in any case. */
export function parseBool(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return true;
  if (FALSE.has(word)) return false;
  // Any other number was true to Python.
  return /^\d{1,9}$/.test(word) ? Number(word) !== 0 : undefined;
}

export function bool(fallback: boolean, doc: string): Field<boolean> {
  return {
    fallback,
    written: fallback ? 'yes' : 'no',
    accepted: 'yes or no',
    doc,
    ...USED,
    parse: parseBool,
  };
}

/** A whole number in [min, max]. */
export function int(
  fallback: number,
  doc: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER } = {},
): Field<number> {
  return {
    fallback,
    written: String(fallback),
    accepted:
      max === Number.MAX_SAFE_INTEGER
        ? `a whole number, ${min} or more`
        : `a whole number from ${min} to ${max}`,
    doc,
    ...USED,
    parse: (text) => {
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

export function text(fallback: string, doc: string): Field<string> {
  return { fallback, written: fallback, accepted: 'text', doc, ...USED, parse: (value) => value };
}

/** Text of a given form; empty is accepted only when it is the default. */
export function matching(fallback: string, form: RegExp, accepted: string, doc: string): Field<string> {
  const parse = (value: string) => (value === fallback || form.test(value) ? value : undefined);
  return { fallback, written: fallback, accepted, doc, ...USED, parse };
}

export function choice<const T extends string>(fallback: T, others: readonly T[], doc: string): Field<T> {
  const all = [fallback, ...others];
  const parse = (value: string) => all.find((one) => one === value);
  return { fallback, written: fallback, accepted: all.join(', '), doc, ...USED, parse };
}

/** Split at commas, trimmed, empty items dropped. */
export function list(fallback: readonly string[], doc: string): Field<readonly string[]> {
  return {
    fallback,
    written: fallback.join(','),
    accepted: 'words separated by commas',
    doc,
    ...USED,
    parse: splitList,
  };
}

export function splitList(value: string): readonly string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** `name=3,other=1`: whole numbers of 1 or more by name. */
export function weights(doc: string): Field<ReadonlyMap<string, number>> {
  return {
    fallback: new Map(),
    written: '',
    accepted: 'name=number pairs separated by commas, numbers from 1 to 1000',
    doc,
    ...USED,
    parse: (value) => {
      const pairs = splitList(value).map((item) => /^(.+?)\s*=\s*(\d{1,4})$/.exec(item));
      const found = pairs.flatMap((pair): [string, number][] =>
        pair === null ? [] : [[pair[1] ?? '', Number(pair[2])]],
      );
      const good =
        found.length === pairs.length && found.every(([, weight]) => weight >= 1 && weight <= 1000);
      return good ? new Map(found) : undefined;
    },
  };
}

/** Memory, in MiB: `512M`, `2G`, or a bare number of MiB. */
export function mebibytes(fallback: number, doc: string, { min = 1 } = {}): Field<number> {
  return {
    fallback,
    written: `${fallback}M`,
    accepted: `a size such as 512M or 2G, at least ${min}M`,
    doc,
    ...USED,
    parse: (value) => {
      const found = /^(\d{1,7})\s*([MG]?)(?:i?B)?$/i.exec(value);
      if (!found) return undefined;
      const size = Number(found[1]) * (found[2]?.toUpperCase() === 'G' ? 1024 : 1);
      return size >= min ? size : undefined;
    },
  };
}

/** A whole number in [min, max], or nothing. */
export function optionalInt(
  written: string,
  doc: string,
  bounds: { min?: number; max?: number } = {},
): Field<number | null> {
  const number = int(0, doc, bounds);
  const parse = (value: string) => (value === '' ? null : number.parse(value));
  return {
    ...number,
    fallback: parse(written) ?? null,
    written,
    accepted: `empty or ${number.accepted}`,
    parse,
  };
}

/**
 * A key of Cuckoo's with nothing behind it here; `doc` says why. Any value but the default, and those others ship (`usual`),
 * is told of.
 */
export function unused(written: string, doc: string, usual: readonly string[] = []): Field<string> {
  const lower = [written, ...usual].map((value) => value.toLowerCase());
  return { ...text(written, `No effect: ${doc}`), used: false, usual: lower };
}

/** A section of such keys, all for one reason: their defaults by name. */
export function unusedKeys<K extends string>(
  doc: string,
  defaults: Readonly<Record<K, string>>,
): Readonly<Record<K, Field<string>>> {
  const keys = Object.entries<string>(defaults).map(([key, written]) => [key, unused(written, doc)]);
  return Object.fromEntries(keys) as Record<K, Field<string>>;
}

/** Does the value of an unused key ask for something that is not there? `off` is as good as `no`; of numbers each is another. */
export function asksInVain({ used, usual }: Field<unknown>, value: string): boolean {
  if (used || usual.includes(value.toLowerCase())) return false;
  const wish = parseBool(value);
  return wish === undefined || !usual.some((word) => !/^\d+$/.test(word) && parseBool(word) === wish);
}
