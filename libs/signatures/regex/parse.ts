/** Inclusive ranges of UTF-16 code units. */
export type Ranges = readonly (readonly [number, number])[];

export type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'units'; readonly ranges: Ranges }
  | { readonly kind: 'assert'; readonly what: 'start' | 'end' | 'word' | 'notWord' }
  | { readonly kind: 'sequence' | 'choice'; readonly of: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly min: number; readonly max: number };

const LAST_UNIT = 0xffff;
/** A counted repetition is unrolled, so its bounds are part of the cost of a pattern. */
const MAX_REPEAT = 256;

export const WORD: Ranges = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const DIGIT: Ranges = [[0x30, 0x39]];
/** What JavaScript's \s matches. */
const SPACE: Ranges = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const NEWLINE: Ranges = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];

export const ANY_UNIT: Ranges = [[0, LAST_UNIT]];

export function complement(ranges: Ranges): Ranges {
  const result: (readonly [number, number])[] = [];
  let next = 0;
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (low > next) result.push([next, low - 1]);
    next = Math.max(next, high + 1);
  }
  if (next <= LAST_UNIT) result.push([next, LAST_UNIT]);
  return result;
}

const CLASSES: Readonly<Record<string, Ranges>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b, 0: 0x00 };

/** Adds the other ASCII case of every letter in `ranges`. */
function foldCase(ranges: Ranges): Ranges {
  const folded = ranges.flatMap(([low, high]) => {
    const lower: [number, number] = [Math.max(low, 0x41) + 32, Math.min(high, 0x5a) + 32];
    const upper: [number, number] = [Math.max(low, 0x61) - 32, Math.min(high, 0x7a) - 32];
    return [lower, upper].filter(([from, to]) => from <= to);
  });
  return [...ranges, ...folded];
}

/**
 * Parses the part of JavaScript's regular expressions that runs in linear time: literals, classes, `.`, groups, `|`,
 * `* + ? {m,n}` (lazy forms mean the same), `^ $ \b \B`, and a leading `(?i)` for ASCII case-insensitivity.
 * Back-references and look-around are refused: they cannot be matched in linear time.
 *
 * @throws SyntaxError that names the column, from 1
 */
export function parseRegex(source: string): Node {
  const insensitive = source.startsWith('(?i)');
  let at = insensitive ? 4 : 0;

  const fail = (what: string): never => {
    throw new SyntaxError(`${what} at column ${at + 1} of /${source}/`);
  };
  const peek = (text: string): boolean => source.startsWith(text, at);
  const take = (text: string): boolean => {
    if (!peek(text)) return false;
    at += text.length;
    return true;
  };
  const units = (ranges: Ranges): Node => ({
    kind: 'units',
    ranges: insensitive ? foldCase(ranges) : ranges,
  });

  const hex = (digits: number): number => {
    const text = source.slice(at, at + digits);
    if (text.length !== digits || !/^[0-9a-fA-F]+$/.test(text)) fail(`expected ${digits} hex digits`);
    at += digits;
    return parseInt(text, 16);
  };

  /** After a backslash: a class, or one code unit. */
  const escape = (): Ranges => {
    const char = source[at++] ?? fail('the pattern ends in a backslash');
    const known = CLASSES[char];
    if (known !== undefined) return known;
    const control = CONTROLS[char];
    if (control !== undefined) return [[control, control]];
    if (char === 'x' || char === 'u') {
      const unit = hex(char === 'x' ? 2 : 4);
      return [[unit, unit]];
    }
    if (/[1-9k]/.test(char)) fail('back-references are not linear and not supported');
    if (/[a-zA-Z]/.test(char)) fail(`unknown escape \\${char}`);
    const unit = char.charCodeAt(0);
    return [[unit, unit]];
  };

  const bracket = (): Node => {
    const negated = take('^');
    const ranges: (readonly [number, number])[] = [];
    while (!take(']')) {
      if (at >= source.length) fail('the character class is not closed');
      const from: Ranges = take('\\') ? (take('b') ? [[8, 8]] : escape()) : single();
      const start = from.length === 1 && from[0]?.[0] === from[0]?.[1] ? from[0]?.[0] : undefined;
      if (start === undefined || !peek('-') || source[at + 1] === ']') {
        ranges.push(...from);
        continue;
      }
      at += 1;
      const to = take('\\') ? escape() : single();
      const end = to[0]?.[1] ?? -1;
      if (to.length !== 1 || to[0]?.[0] !== end || end < start)
        fail('a range in the character class is not in order');
      ranges.push([start, end]);
    }
    const set = insensitive ? foldCase(ranges) : ranges;
    return { kind: 'units', ranges: negated ? complement(set) : set };
  };

  const single = (): Ranges => {
    const unit = source.charCodeAt(at++);
    return [[unit, unit]];
  };

  const atom = (): Node => {
    if (take('(')) {
      if (take('?') && !take(':'))
        fail('look-around and named groups are not linear or not needed: use (?:…)');
      const inner = choice();
      if (!take(')')) fail('a group is not closed');
      return inner;
    }
    if (take('[')) return bracket();
    if (take('.')) return { kind: 'units', ranges: complement(NEWLINE) };
    if (take('^')) return { kind: 'assert', what: 'start' };
    if (take('$')) return { kind: 'assert', what: 'end' };
    if (take('\\b')) return { kind: 'assert', what: 'word' };
    if (take('\\B')) return { kind: 'assert', what: 'notWord' };
    if (take('\\')) return units(escape());
    if (/[*+?{}\]]/.test(source[at] ?? '')) fail(`"${source[at] ?? ''}" must be escaped here`);
    return units(single());
  };

  const counts = (): readonly [number, number] | null => {
    if (take('*')) return [0, Infinity];
    if (take('+')) return [1, Infinity];
    if (take('?')) return [0, 1];
    const braces = /^\{(\d+)(,?)(\d*)\}/.exec(source.slice(at, at + 16));
    if (braces === null) return null;
    at += braces[0].length;
    const min = Number(braces[1]);
    const max = braces[2] === '' ? min : braces[3] === '' ? Infinity : Number(braces[3]);
    if (max < min || min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) {
      fail(`repetition counts must be in order and at most ${MAX_REPEAT}`);
    }
    return [min, max];
  };

  const repeated = (): Node => {
    let node = atom();
    for (let range = counts(); range !== null; range = counts()) {
      take('?'); // lazy: whether something matches does not depend on it
      node = { kind: 'repeat', of: node, min: range[0], max: range[1] };
    }
    return node;
  };

  const sequence = (): Node => {
    const of: Node[] = [];
    while (at < source.length && !peek('|') && !peek(')')) of.push(repeated());
    return of.length === 1 && of[0] !== undefined ? of[0] : { kind: 'sequence', of };
  };

  const choice = (): Node => {
    const of = [sequence()];
    while (take('|')) of.push(sequence());
    return of.length === 1 && of[0] !== undefined ? of[0] : { kind: 'choice', of };
  };

  const whole = choice();
  if (at < source.length) fail('unexpected ")"');
  return whole;
}
