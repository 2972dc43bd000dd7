import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What the guest needs before and besides its root file system; absent ones are built into the kernel. */
const WANTED = ['virtio_pci', 'virtio_blk', 'virtio_net', 'squashfs', 'overlay', 'af_packet', 'virtio_rng'];

/** Bytes; the largest module of a Debian kernel is below 8 MB unpacked. */
const MAX_MODULE = 64 << 20;

export interface KernelModule {
  readonly name: string;
  readonly content: Buffer;
}

/** The wanted modules of the kernel in `folder` (lib/modules/<release>) and what they depend on, in loading order. */
export async function kernelModules(folder: string, signal: AbortSignal): Promise<KernelModule[]> {
  const files = new Map(
    (await readdir(folder, { recursive: true })).flatMap((path): [string, string][] => {
      const name = /([^/]+)\.ko(\.xz|\.zst|\.gz)?$/.exec(path)?.[1];
      return name === undefined ? [] : [[canonical(name), join(folder, path)]];
    }),
  );
  const ordered: KernelModule[] = [];
  const visit = async (name: string): Promise<void> => {
    const path = files.get(name);
    if (path === undefined || ordered.some((module) => module.name === name)) return;
    const content = await unpacked(path, signal);
    for (const needed of dependencies(content)) await visit(needed);
    ordered.push({ name, content });
  };
  for (const name of WANTED) await visit(name);
  return ordered;
}

/** The names after `depends=` in the module's .modinfo section: NUL-ended strings. */
export function dependencies(module: Buffer): string[] {
  const key = Buffer.from('\0depends=');
  const at = module.indexOf(key);
  if (at === -1) return [];
  const end = module.indexOf(0, at + key.length);
  const names = module.toString('latin1', at + key.length, end === -1 ? undefined : end);
  return names.split(',').filter(Boolean).map(canonical);
}

/** Files say virtio-rng, dependencies virtio_rng. */
function canonical(name: string): string {
  return name.replaceAll('-', '_');
}

/** Unpacked here, once: the guest's busybox cannot, and an emulated processor should not. */
async function unpacked(path: string, signal: AbortSignal): Promise<Buffer> {
  const tool = path.endsWith('.xz')
    ? 'xz'
    : path.endsWith('.zst')
      ? 'zstd'
      : path.endsWith('.gz')
        ? 'gzip'
        : null;
  if (tool === null) return readFile(path);
  const options = { encoding: 'buffer', maxBuffer: MAX_MODULE, signal } as const;
  return (await promisify(execFile)(tool, ['-dc', path], options)).stdout;
}
