import { ANY_UNIT, complement, parseRegex, type Node } from './regex/parse.js';
import { PatternSet } from './regex/set.js';

export const PATTERN_KINDS = ['literal', 'glob', 'contains', 'regex'] as const;

export interface Pattern {
  readonly kind: (typeof PATTERN_KINDS)[number];
  readonly text: string;
}

/** Matches a text when one of `patterns` does and none of `except` does. */
export interface Matcher {
  readonly patterns: readonly Pattern[];
  readonly except: readonly Pattern[];
}

/** UTF-16 code units of a guest's text that patterns are shown. Longer than any path or argument Linux allows itself (128 KiB) to matter. */
export const SUBJECT_LIMIT = 32 * 1024;

const literal = (text: string): Node[] =>
  Array.from({ length: text.length }, (_, i): Node => {
    const unit = text.charCodeAt(i);
    return { kind: 'units', ranges: [[unit, unit]] };
  });

const START: Node = { kind: 'assert', what: 'start' };
const END: Node = { kind: 'assert', what: 'end' };
const NOT_SLASH: Node = { kind: 'units', ranges: complement([[0x2f, 0x2f]]) };
const ANY: Node = { kind: 'units', ranges: ANY_UNIT };
const repeated = (of: Node): Node => ({ kind: 'repeat', of, min: 0, max: Infinity });

/** Shell-like: `?` and `*` stop at a slash, `**` does not, `{a,b}` is either; everything else is itself. */
function globNodes(text: string): Node[] {
  const parts = text.split(/(\*\*|\*|\?|\{[^{}]*\})/);
  return parts.flatMap((part): Node[] => {
    if (part === '**') return [repeated(ANY)];
    if (part === '*') return [repeated(NOT_SLASH)];
    if (part === '?') return [NOT_SLASH];
    if (/^\{.*\}$/.test(part)) {
      const choices = part.slice(1, -1).split(',');
      return [{ kind: 'choice', of: choices.map((choice) => ({ kind: 'sequence', of: globNodes(choice) })) }];
    }
    return literal(part);
  });
}

/** @throws SyntaxError for a regex that is malformed or cannot run in linear time */
export function parsePattern({ kind, text }: Pattern): Node {
  switch (kind) {
    case 'literal':
      return { kind: 'sequence', of: [START, ...literal(text), END] };
    case 'glob':
      return { kind: 'sequence', of: [START, ...globNodes(text), END] };
    case 'contains':
      return { kind: 'sequence', of: literal(text) };
    case 'regex':
      return parseRegex(text);
  }
}

/** Tests one text at a time against one matcher; rules about calls use it, where few texts arrive. */
export function compileMatcher(matcher: Matcher): (text: string) => boolean {
  const set = new PatternSet([...matcher.patterns, ...matcher.except].map(parsePattern));
  const wanted = matcher.patterns.length;
  return (text) => {
    const found = set.matches(text, SUBJECT_LIMIT);
    return (found[0] ?? wanted) < wanted && (found.at(-1) ?? 0) < wanted;
  };
}
