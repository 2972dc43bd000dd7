import { ProtocolError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import type { Dialect } from './header.js';

export interface UploadPlace {
  /** A folder of the analysis, as the table has it. */
  readonly folder: string;
  /** One safe path component, at most MAX_NAME_BYTES of UTF-8. */
  readonly name: string;
  /** Written under its final name from the start, for whoever follows it while the sample runs. */
  readonly live: boolean;
  /** A later upload takes the place of an earlier one: CAPE sends growing snapshots of these. */
  readonly replaces: boolean;
}

const CUCKOO_FOLDERS = ['files', 'shots', 'buffer', 'extracted', 'memory', 'package_files'] as const;

/** Spec protocols.md §1.9; `reports` is written by the host only. */
const CAPE_FOLDERS = [
  'CAPE',
  'aux',
  'aux/amsi_etw',
  'aux/sslkeylogfile',
  'browser',
  'curtain',
  'debugger',
  'evtx',
  'files',
  'htmldump',
  'memory',
  'package_files',
  'procdump',
  'shots',
  'sysmon',
  'tlsdump',
  'tracee',
] as const;

/** Folders a guest may upload into, besides the names of LOG_NAMES in logs/. */
export const UPLOAD_FOLDERS = {
  cuckoo2: CUCKOO_FOLDERS,
  malkoha: CUCKOO_FOLDERS,
  cape: CAPE_FOLDERS,
} as const satisfies Record<Dialect, readonly string[]>;

/** Single names, because logs/ also holds the behaviour logs, which no upload may forge. */
const LOG_NAMES: ReadonlySet<string> = new Set([
  'all.stap',
  'procmon.xml',
  'dbgview.log',
  'xposed.log',
  'droidmon.log',
  'droidmon_error.log',
  'strace.log',
  'pre_script.log',
  'during_script.log',
  'kernel.trace',
  'stdout.log',
  'stderr.log',
]);

const CAPE_SNAPSHOTS = /^(?:tlsdump\/|aux\/(?:dns|network|wmi)_etw\.json|aux\/sslkeylogfile\/sslkeys\.log)/;

/** File systems take 255; the rest is room for a version number. */
const MAX_NAME_BYTES = 200;

/** Letters and digits of any script and what is harmless in a path, a shell and a URL; anything else becomes `X`. */
const UNSAFE = /[^\p{L}\p{N} ._+,=@()[\]{}~!^-]/gu;

/**
 * Where an upload goes. The folder must be one of the dialect's, letter for letter; the name is made safe, because
 * refusing it would let a sample hide a file behind an odd name (the name it wanted stays in files.json).
 *
 * @throws ProtocolError when the folder is not one to upload into or there is no name
 * @see spec protocols.md §1.4 (the table of sent paths), §8.4.6
 */
export function uploadPath(requested: Buffer, dialect: Dialect): UploadPlace {
  const path = requested.toString('utf8').replaceAll('\\', '/');
  const slash = path.lastIndexOf('/');
  const folder = path.slice(0, slash + 1).replace(/\/+$/, '');
  const wanted = path.slice(slash + 1);

  if (folder === 'logs' && LOG_NAMES.has(wanted)) {
    return { folder, name: wanted, live: true, replaces: false };
  }
  const folders: readonly string[] = UPLOAD_FOLDERS[dialect];
  if (!folders.includes(folder) || wanted === '' || wanted === '.' || wanted === '..') {
    throw new ProtocolError(`upload path refused: ${quoted(requested)}`, 0);
  }
  const name = safeName(wanted);
  const replaces = dialect === 'cape' && CAPE_SNAPSHOTS.test(`${folder}/${name}`);
  return { folder, name, live: false, replaces };
}

function safeName(wanted: string): string {
  // Names with a leading dot are the host's (uploads under way); a leading hyphen reads as an option.
  const name = wanted.normalize('NFC').replace(UNSAFE, 'X').replace(/^[.-]/, '_');
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const [extension = ''] = /\.[a-zA-Z0-9]{1,8}$/.exec(name) ?? [];
  return cut(name.slice(0, -extension.length || undefined), MAX_NAME_BYTES - extension.length) + extension;
}

/** The longest head of `text` that fits `bytes` of UTF-8 without splitting a character. */
function cut(text: string, bytes: number): string {
  const head = Buffer.from(text).subarray(0, bytes).toString('utf8');
  return head.replace(/\uFFFD$/, '');
}

/** `a.exe`, 1 → `a.1.exe`; 0 → unchanged. */
export function versioned(name: string, version: number): string {
  if (version === 0) return name;
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? `${name}.${version}` : `${name.slice(0, dot)}.${version}${name.slice(dot)}`;
}
