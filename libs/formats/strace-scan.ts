/** No call strace decodes has more; the rest of a longer list is dropped. */
const MAX_ARGUMENTS = 32;

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

/**
 * Cuts an argument list at its top-level commas. Quoted text, `{…}`, `[…]`, `(…)` and comments are kept whole.
 * `after` is the place behind the closing parenthesis, -1 when it is missing.
 */
export function scanArguments(bytes: Buffer, start: number, end: number): { args: string[]; after: number } {
  const args: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < end; at++) {
    switch (bytes[at]) {
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
  if ((from < to || args.length > 0) && args.length < MAX_ARGUMENTS)
    args.push(bytes.toString('latin1', from, to));
}
