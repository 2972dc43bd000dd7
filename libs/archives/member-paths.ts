/**
 * Control characters and halves of characters, what ends a line for Python, what Windows forbids in a name, the comma
 * of `k=v,k2=v2`, and the semicolon that begins a comment in a file of Cuckoo's analyzers.
 */
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028\u2029:*?"<>|,;]/gu;

/** What Windows takes off the end of a name, and readers of options off both ends of a value. */
const EDGES = /^\s+|[.\s]+$/gu;

/** Characters of a path that are looked at. */
const RAW_CHARACTERS = 8192;

/** Bytes of one name, and of the whole path: room is left for the folder it is unpacked into. */
const NAME_BYTES = 200;
const PATH_BYTES = 1000;

/** Windows opens a device by these names, whatever the extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/**
 * The paths of one plain zip. Whatever an archive calls its members, these are relative, stay below the folder they
 * are unpacked into, are different on every system, and are as they are written in a task's option `filename`.
 */
export class MemberPaths {
  /** Lower case: Windows does not see the difference. */
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>();

  /** A path for the member that its archive calls `raw`. */
  add(raw: string): string {
    const names: string[] = [];
    const wanted = safePath(raw).split('/');
    for (const [depth, name] of wanted.entries()) {
      const isFile = depth === wanted.length - 1;
      const isTaken = (path: string) => this.#files.has(path) || (isFile && this.#folders.has(path));
      names.push(name);
      for (let n = 2; isTaken(joined(names)); n += 1) names[depth] = numbered(name, n);
      (isFile ? this.#files : this.#folders).add(joined(names));
    }
    return names.join('/');
  }
}

function joined(names: readonly string[]): string {
  return names.join('/').toLowerCase();
}

/** The path alone, without a look at its neighbours. */
export function safePath(raw: string): string {
  const names = raw
    .slice(-RAW_CHARACTERS)
    .replaceAll('\\', '/')
    .split('/')
    .map(safeName)
    .filter((name) => name !== '');
  // Deep nesting loses its outermost folders: the name and its neighbourhood matter.
  while (names.length > 1 && Buffer.byteLength(names.join('/')) > PATH_BYTES) names.shift();
  return names.length === 0 ? 'file' : names.join('/');
}

/** '' for what names no file: an empty name, `.` and `..`. */
function safeName(raw: string): string {
  const name = raw.replace(FORBIDDEN, '_').replace(EDGES, '');
  if (name === '') return '';
  const free = DEVICE.test(name) ? `_${name}` : name;
  return cut(free, NAME_BYTES);
}

/** Keeps the extension: analysis packages are chosen by it. */
function cut(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name;
  const extension = /\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? '';
  const head = Buffer.from(name).subarray(0, bytes - extension.length);
  const stem = head.toString('utf8').replace(/[\uFFFD.\s]+$/u, '');
  return (stem === '' ? '_' : stem) + extension;
}

/** `a.exe` → `a~2.exe`. */
function numbered(name: string, n: number): string {
  const [, stem = name, extension = ''] = /^(.+)(\.[A-Za-z0-9]{1,16})$/.exec(name) ?? [];
  return `${stem}~${n}${extension}`;
}
