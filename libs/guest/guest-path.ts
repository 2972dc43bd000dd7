import { ProtocolError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';

/** Windows takes 255 UTF-16 units, Linux 255 bytes; the rest is room for what an analyzer puts before it. */
const MAX_NAME_BYTES = 200;

/** What ends a line or a path, or what Windows forbids in a name. */
const FORBIDDEN = /[\p{Cc}\u2028\u2029/\\:*?"<>|]/gu;

/** The name a sample gets in the guest: one path component on any system, its extension kept. */
export function guestFileName(name: string): string {
  const safe = name.replace(FORBIDDEN, '_').replace(/[. ]+$/, '');
  if (safe === '') return 'sample';
  if (Buffer.byteLength(safe) <= MAX_NAME_BYTES) return safe;
  const [extension = ''] = /\.[A-Za-z0-9]{1,16}$/.exec(safe) ?? [];
  const head = Buffer.from(safe).subarray(0, MAX_NAME_BYTES - extension.length);
  return head.toString('utf8').replace(/\uFFFD+$/, '') + extension;
}

/** A folder as the guest named it, before it becomes part of other paths. @throws ProtocolError */
export function guestFolder(path: string): string {
  if (/^(?:\/|[A-Za-z]:[\\/])[^\p{Cc}"<>|*?]{0,1024}$/u.test(path)) return path.replace(/[\\/]+$/, '');
  throw new ProtocolError(`the guest named a folder that is none: ${quoted(path)}`, 0);
}

/** A variable's value, whatever the case of its name: the agents differ. */
export function variable(environ: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(environ).find(([key]) => key.toUpperCase() === name)?.[1];
}
