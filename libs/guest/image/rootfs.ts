import { createReadStream } from 'node:fs';
import { readdir, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';

import { cpio, type ArchiveFile } from './cpio.js';
import { kernelModules } from './modules.js';
import { readTree, type Recipe } from './recipe.js';
import { run } from './run.js';
import { tarEntries, type TarEntry } from './tar.js';

/** Where our programs are in the guest: bland, but not hidden (analyzer-guest/README.md says what a sample can see). */
const PROGRAMS = 'usr/lib/accounts-daemon';
const ALICE = 1000; // uid and gid
const DAY = 86_400; // seconds
const PRIVATE = /(^|\/)\.(ssh|gnupg|mozilla|config)(\/|$)|\.bash_history$|\.pgpass$/;

/** Our own files as tar entries: programs, and homes with dates spread over the year before `installed`. */
export async function ownFiles(source: string, installed: number): Promise<Buffer> {
  const file = async (path: string, from: string, mode: number): Promise<TarEntry> => {
    return { path, content: await readFile(join(source, from)), mode, uid: 0, gid: 0, mtime: installed };
  };
  const programs: TarEntry[] = [
    { path: PROGRAMS, mode: 0o755, uid: 0, gid: 0, mtime: installed },
    await file(`${PROGRAMS}/accounts-daemon.py`, 'agent/agent.py', 0o644),
    await file(`${PROGRAMS}/session.py`, 'linux/analyzer.py', 0o644),
    await file(`${PROGRAMS}/events`, 'image/events', 0o644),
    await file('usr/sbin/init', 'image/init', 0o755),
  ];
  const homes = await readTree(join(source, 'image/home'));
  const folders = new Set<string>();
  for (const { path } of homes) {
    for (let up = dirname(path); up !== '.'; up = dirname(up)) folders.add(up);
  }
  const placed = (path: string, index: number): Omit<TarEntry, 'content'> => {
    const [owner = '', ...rest] = path.split('/');
    const id = owner === 'root' ? 0 : ALICE;
    const folder = folders.has(path);
    const mode = PRIVATE.test(path) || owner === 'root' ? (folder ? 0o700 : 0o600) : folder ? 0o755 : 0o644;
    const mtime = installed - ((index * 37) % 330) * DAY - ((index * 7919) % DAY);
    return {
      path: join(owner === 'root' ? 'root' : `home/${owner}`, ...rest),
      mode,
      uid: id,
      gid: id,
      mtime,
    };
  };
  return tarEntries([
    ...programs,
    ...[...folders].sort().map((path, index) => placed(path, index)),
    ...homes.map(({ path, content }, index) => ({ ...placed(path, index), content })),
  ]);
}

/** Packs `own` and then the base into one squashfs; where both have a path, ours wins. */
export async function packRoot(
  own: Buffer,
  baseTar: string,
  target: string,
  compression: Recipe['compression'],
  log: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  const args = [
    '-',
    target,
    '-tar',
    '-root-mode',
    '755',
    '-comp',
    compression,
    '-noappend',
    '-quiet',
    '-no-progress',
  ];
  if (compression === 'zstd') args.push('-Xcompression-level', '9');
  const input = Readable.from(joined(own, baseTar));
  await run({ program: 'mksquashfs', args, cwd: dirname(target), input }, log, () => undefined, signal);
}

async function* joined(own: Buffer, baseTar: string): AsyncGenerator<Buffer> {
  yield own;
  yield* createReadStream(baseTar, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
}

/**
 * Writes `target`, the initramfs: busybox, the modules in loading order, /init. Not compressed: an emulated processor
 * takes longer to unpack it than to read it.
 */
export async function packInitrd(
  source: string,
  kernel: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const release = basename((await findOne(join(kernel, 'lib/modules'), /^\d/)) ?? '');
  const modules = await kernelModules(join(kernel, 'lib/modules', release), signal);
  if (modules.length === 0) throw new Error(`no kernel modules in ${kernel}`);
  const folder = (path: string): ArchiveFile => ({ path, mode: 0o040755, content: Buffer.alloc(0) });
  const archive = cpio([
    ...['bin', 'dev', 'modules', 'proc', 'sys'].map(folder),
    { path: 'bin/busybox', mode: 0o100755, content: await readFile(join(kernel, 'busybox')) },
    { path: 'init', mode: 0o100755, content: await readFile(join(source, 'image/initramfs-init')) },
    ...modules.map(({ name, content }, index) => ({
      path: `modules/${String(index).padStart(2, '0')}-${name}.ko`,
      mode: 0o100644,
      content,
    })),
  ]);
  await writeFile(target, archive);
}

/** Full path of the first entry of `folder` that matches; null when there is none. */
export async function findOne(folder: string, name: RegExp): Promise<string | null> {
  const found = (await readdir(folder).catch(() => [])).sort().find((entry) => name.test(entry));
  return found === undefined ? null : join(folder, found);
}
