import { notFound } from './problem.js';

/**
 * The one form of a path that routes are written in: no doubled slashes, no slash at the end, no `/v1` before it, no
 * `http://host` as for a proxy. Clients of ten years write all of these.
 */
export function normalizeUrl(url: string): string {
  const own = url.replace(/^https?:\/\/[^/?#]*/i, '') || '/';
  const at = own.search(/[?#]/);
  const path = decodable(at === -1 ? own : own.slice(0, at));
  const rest = at === -1 ? '' : own.slice(at);
  const short = path
    .replace(/\/{2,}/g, '/')
    .replace(/(.)\/$/, '$1')
    .replace(/^\/v1(?=\/)/, '');
  return `${short}${rest}`;
}

/** What is no percent-encoding of UTF-8 is taken as it stands: it names nothing, as in Cuckoo. */
function decodable(path: string): string {
  try {
    decodeURIComponent(path);
    return path;
  } catch {
    return path.replaceAll('%', '%25');
  }
}

/** Largest id a 32-bit column holds. */
const MAX_ID = 2_147_483_647;

/** `7`, or `[7]` as one client formats a list of ids into the path; null for anything else. 0 for an id no task can have. */
export function parseId(text: string): number | null {
  const digits = /^(?:(\d{1,100})|\[(\d{1,100})\])$/.exec(text);
  if (!digits) return null;
  const id = Number(digits[1] ?? digits[2]);
  return id <= MAX_ID ? id : 0;
}

/** The id in a path. @throws 404 as for any path that is not there */
export function readId(text: string): number {
  const id = parseId(text);
  if (id === null) throw notFound();
  return id;
}

/** A count in a path or query: decimal, not negative; null for anything else. */
export function parseCount(text: string): number | null {
  return /^\d{1,100}$/.test(text) ? Math.min(Number(text), MAX_ID) : null;
}
