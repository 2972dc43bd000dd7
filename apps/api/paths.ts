/**
 * The one form of a path that routes are written in: no doubled slashes, no slash at the end, no `/v1` before it.
 * Clients of ten years write all of these.
 */
export function normalizeUrl(url: string): string {
  const at = url.search(/[?#]/);
  const path = at === -1 ? url : url.slice(0, at);
  const rest = at === -1 ? '' : url.slice(at);
  const short = path
    .replace(/\/{2,}/g, '/')
    .replace(/(.)\/$/, '$1')
    .replace(/^\/v1(?=\/)/, '');
  return `${short}${rest}`;
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

/** A count in a path or query: decimal, not negative; null for anything else. */
export function parseCount(text: string): number | null {
  return /^\d{1,100}$/.test(text) ? Math.min(Number(text), MAX_ID) : null;
}
