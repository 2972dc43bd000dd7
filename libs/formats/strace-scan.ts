/** No call strace decodes has more; the rest of a longer list is dropped. */
const MAX_ARGUMENTS = 32;

/** Texts that come again and again: names, flags, libraries. A power of two. */
const INTERNED = 8192;
/** Longer texts seldom come twice. Bytes. */
const MAX_INTERNED = 96;

/**
 * Latin-1 texts cut from a log. Making a string is what reading costs most, and most strings of a log were there before:
 * the last one at each hash is kept and compared, so that a wrong one is never given.
 */
const interned = new Array<string>(INTERNED).fill('');

export function textOf(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length <= 0) return '';
  if (length > MAX_INTERNED) return bytes.toString('latin1', start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0;
  const slot = (hash ^ (hash >>> 13)) & (INTERNED - 1);
  const known = interned[slot] ?? '';
  if (known.length === length && isSame(known, bytes, start)) return known;
  return (interned[slot] = bytes.toString('latin1', start, end));
}

function isSame(text: string, bytes: Buffer, start: number): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) !== bytes[start + at]) return false;
  return true;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN_PAREN = 0x28;
const CLOSE_PAREN = 0x29;
const ASTERISK = 0x2a;
const COMMA = 0x2c;
const SLASH = 0x2f;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** 1 for every byte that means nothing between arguments: nearly all of them are. */
const ORDINARY = new Uint8Array(256).fill(1);
for (const byte of [
  QUOTE,
  OPEN_PAREN,
  CLOSE_PAREN,
  COMMA,
  SLASH,
  OPEN_BRACKET,
  CLOSE_BRACKET,
  OPEN_BRACE,
  CLOSE_BRACE,
]) {
  ORDINARY[byte] = 0;
}

/**
 * Cuts an argument list at its top-level commas. Quoted text, `{…}`, `[…]`, `(…)` and comments are kept whole.
 * `after` is the place behind the closing parenthesis, -1 when it is missing.
 */
export function scanArguments(bytes: Buffer, start: number, end: number): { args: string[]; after: number } {
  const args: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < end; at++) {
    while (at < end && ORDINARY[bytes[at] ?? 0] === 1) at++;
    switch (at < end ? bytes[at] : undefined) {
      case QUOTE:
        at++;
        while (at < end && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
        break;
      case OPEN_PAREN:
      case OPEN_BRACKET:
      case OPEN_BRACE:
        depth++;
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        depth--;
        break;
      case CLOSE_PAREN:
        if (depth <= 0) {
          addArgument(args, bytes, from, at);
          return { args, after: at + 1 };
        }
        depth--;
        break;
      case COMMA:
        if (depth <= 0) {
          addArgument(args, bytes, from, at);
          from = at + 1;
        }
        break;
      case SLASH:
        if (bytes[at + 1] === ASTERISK) {
          at += 2;
          while (at < end && !(bytes[at] === ASTERISK && bytes[at + 1] === SLASH)) at++;
          at++;
        }
        break;
      case undefined:
        break;
    }
  }
  addArgument(args, bytes, from, end);
  return { args, after: -1 };
}

function addArgument(args: string[], bytes: Buffer, start: number, end: number): void {
  let from = start;
  let to = end;
  while (from < to && bytes[from] === SPACE) from++;
  while (to > from && bytes[to - 1] === SPACE) to--;
  if ((from < to || args.length > 0) && args.length < MAX_ARGUMENTS) args.push(textOf(bytes, from, to));
}
