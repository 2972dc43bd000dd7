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
  /** Undefined when the text is not accepted. */
  readonly parse: (text: string) => T | undefined;
}

export type Section = Readonly<Record<string, Field<unknown>>>;

export type Values<S extends Section> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never;
};

const TRUE = new Set(['true', 'yes', '1', 'on']);
const FALSE = new Set(['false', 'none', 'no', '0', 'off']);

/** Cuckoo's words for yes and no, in any case. */
export function parseBool(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (TRUE.has(word)) return true;
  return FALSE.has(word) ? false : undefined;
}

export function bool(fallback: boolean, doc: string): Field<boolean> {
  return {
    fallback,
    written: fallback ? 'yes' : 'no',
    accepted: 'yes or no',
    doc,
    used: true,
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
    used: true,
    parse: (text) => {
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

export function text(fallback: string, doc: string): Field<string> {
  return { fallback, written: fallback, accepted: 'text', doc, used: true, parse: (value) => value };
}

/** Text of a given form; empty is accepted only when it is the default. */
export function matching(fallback: string, form: RegExp, accepted: string, doc: string): Field<string> {
  const parse = (value: string) => (value === fallback || form.test(value) ? value : undefined);
  return { fallback, written: fallback, accepted, doc, used: true, parse };
}

export function choice<const T extends string>(fallback: T, others: readonly T[], doc: string): Field<T> {
  const all = [fallback, ...others];
  const parse = (value: string) => all.find((one) => one === value);
  return { fallback, written: fallback, accepted: all.join(', '), doc, used: true, parse };
}

/** Split at commas, trimmed, empty items dropped. */
export function list(fallback: readonly string[], doc: string): Field<readonly string[]> {
  return {
    fallback,
    written: fallback.join(','),
    accepted: 'words separated by commas',
    doc,
    used: true,
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
    used: true,
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
    used: true,
    parse: (value) => {
      const found = /^(\d{1,7})\s*([MG]?)(?:i?B)?$/i.exec(value);
      if (!found) return undefined;
      const size = Number(found[1]) * (found[2]?.toUpperCase() === 'G' ? 1024 : 1);
      return size >= min ? size : undefined;
    },
  };
}

/** A key of Cuckoo's with nothing behind it here; `doc` says why. Setting it to another value than Cuckoo's default warns. */
export function unused(written: string, doc: string): Field<string> {
  return { ...text(written, `No effect: ${doc}`), used: false };
}
