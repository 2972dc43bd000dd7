import { isUtf8 } from 'node:buffer';
import { isIPv4, isIPv6 } from 'node:net';

/** Values inside strace's arguments. Arguments have one character per byte; text that comes out is real text. */

/** Of one argv; strace cuts earlier by default. */
const MAX_LIST = 1024;

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  n: 10,
  t: 9,
  r: 13,
  v: 11,
  f: 12,
  a: 7,
  b: 8,
  e: 27,
};

/** The bytes of the quoted string at `start` (which must be its quote), and the place behind it and its `...`. */
function readQuoted(text: string, start: number): { latin1: string; next: number; cut: boolean } {
  let latin1 = '';
  let from = start + 1;
  let at = from;
  while (at < text.length && text[at] !== '"') {
    if (text[at] !== '\\') {
      at++;
      continue;
    }
    latin1 += text.slice(from, at);
    const escape = readEscape(text, at + 1);
    latin1 += String.fromCharCode(escape.byte);
    at = escape.next;
    from = at;
  }
  latin1 += text.slice(from, at);
  const cut = text.startsWith('...', at + 1);
  return { latin1, next: Math.min(text.length, at + 1 + (cut ? 3 : 0)), cut };
}

/** `\n`, `\ooo` (one to three digits), `\xHH`; anything else stands for itself. */
function readEscape(text: string, at: number): { byte: number; next: number } {
  const octal = /^[0-7]{1,3}/.exec(text.slice(at, at + 3))?.[0];
  if (octal !== undefined) return { byte: Number.parseInt(octal, 8) & 255, next: at + octal.length };
  const hex = /^x([0-9a-fA-F]{1,2})/.exec(text.slice(at, at + 3));
  if (hex !== null) return { byte: Number.parseInt(hex[1] ?? '', 16), next: at + hex[0].length };
  const letter = text.charAt(at);
  return { byte: SIMPLE_ESCAPES[letter] ?? letter.charCodeAt(0) & 255, next: at + 1 };
}

/** UTF-8 when the bytes are, else one character per byte. */
export function decode(latin1: string): string {
  if (!/[\x80-\xff]/.test(latin1)) return latin1;
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : latin1;
}

/** Text of a string argument, `"…"` or `"…"...`; null when it is none (an address, NULL, a struct). */
export function quoted(arg: string | undefined): string | null {
  if (arg?.startsWith('"') !== true) return null;
  // Nearly all paths: nothing to decode.
  const close = arg.length - 1;
  if (arg.endsWith('"') && !arg.includes('\\') && arg.indexOf('"', 1) === close) return arg.slice(1, close);
  return decode(readQuoted(arg, 0).latin1);
}

/** The bytes of every string inside an argument, in order: the buffers of a sendmsg, say. */
export function quotedBytes(arg: string): Buffer[] {
  const all: Buffer[] = [];
  for (let at = arg.indexOf('"'); at !== -1 && all.length < MAX_LIST;) {
    const { latin1, next } = readQuoted(arg, at);
    all.push(Buffer.from(latin1, 'latin1'));
    at = arg.indexOf('"', next);
  }
  return all;
}

/** A list of strings, `["a", "b"...]`; `cut` when strace left something out. Null when it is no list. */
export function quotedList(arg: string | undefined): { items: string[]; cut: boolean } | null {
  if (arg?.startsWith('[') !== true) return null;
  const items: string[] = [];
  let cut = false;
  let at = 1;
  while (at < arg.length && items.length < MAX_LIST) {
    const quote = arg.indexOf('"', at);
    if (quote === -1) break;
    const string = readQuoted(arg, quote);
    items.push(decode(string.latin1));
    cut ||= string.cut;
    at = string.next;
  }
  cut ||= items.length === MAX_LIST || arg.slice(at).includes('...');
  return { items, cut };
}

export interface SocketAddress {
  /** Canonical text; IPv4 addresses inside IPv6 ones come out as IPv4. */
  readonly ip: string;
  readonly port: number;
}

/** The internet address in a `{sa_family=AF_INET…, …}` struct; null for other families. */
export function socketAddress(arg: string | undefined): SocketAddress | null {
  const family = arg?.indexOf('sa_family=AF_INET') ?? -1;
  if (arg === undefined || family === -1) return null;
  const port = Number.parseInt(between(arg, '_port=htons(', ')') ?? '', 10);
  if (!(port >= 0 && port <= 65535)) return null;
  const ip4 = between(arg, 'inet_addr("', '"');
  if (ip4 !== null) return isIPv4(ip4) ? { ip: ip4, port } : null;
  const ip6 = between(arg, 'inet_pton(AF_INET6, "', '"');
  if (ip6 === null || !isIPv6(ip6) || ip6.includes('%')) return null;
  const mapped = ip6.startsWith('::ffff:') ? ip6.slice('::ffff:'.length) : '';
  return { ip: isIPv4(mapped) ? mapped : ip6, port };
}

function between(text: string, before: string, after: string): string | null {
  const start = text.indexOf(before);
  if (start === -1) return null;
  const from = start + before.length;
  const end = text.indexOf(after, from);
  return end === -1 ? null : text.slice(from, end);
}

/** A descriptor argument: `3`, `3</path>` (strace -y); null for AT_FDCWD and anything else. */
export function descriptor(arg: string | undefined): number | null {
  const number = Number.parseInt(arg ?? '', 10);
  return number >= 0 && number < 2 ** 31 ? number : null;
}
