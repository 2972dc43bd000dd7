import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What may differ between two guest images of the same sources. */
export interface Recipe {
  /** Installs nodejs, so that package `js` runs; 100 MB more. */
  readonly node: boolean;
  /** Further Debian packages. */
  readonly packages: readonly string[];
  /** lz4 boots faster under an emulated processor, zstd is a third smaller. */
  readonly compression: 'lz4' | 'zstd';
}

export const DEFAULT_RECIPE: Recipe = { node: false, packages: [], compression: 'lz4' };

/** Programs of the host that the build runs: Debian package → what for. */
export const HOST_PACKAGES = [
  { apt: 'mmdebstrap', program: 'mmdebstrap', why: 'makes the guest from Debian packages, without root' },
  { apt: 'squashfs-tools', program: 'mksquashfs', why: 'packs the guest into one read-only image' },
  { apt: 'uidmap', program: 'newuidmap', why: 'lets mmdebstrap work without root' },
  { apt: 'xz-utils', program: 'xz', why: 'unpacks kernel modules' },
  { apt: 'zstd', program: 'zstd', why: 'unpacks kernel modules' },
] as const satisfies readonly { readonly apt: string; readonly program: string; readonly why: string }[];

const PACKAGES = [
  'bash bzip2 ca-certificates cron curl file gzip iproute2 kmod less nano netcat-openbsd',
  // What samples are written in, what they call, and what watches them.
  'openssl perl procps python3 strace tar unzip util-linux wget xz-utils zip busybox-static',
]
  .join(' ')
  .split(' ');

/** Debian names, nothing that mmdebstrap could take for an option or a second item. */
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/;

/** @throws TypeError for what is no package name */
export function packagesOf(recipe: Recipe): readonly string[] {
  const names = [...PACKAGES, ...(recipe.node ? ['nodejs'] : []), ...recipe.packages];
  const bad = names.find((name) => !PACKAGE_NAME.test(name));
  if (bad !== undefined) throw new TypeError(`not the name of a Debian package: ${JSON.stringify(bad)}`);
  return [...new Set(names)].sort();
}

/** First 16 hex digits of the SHA-256 over the parts, each with its length: no two lists give the same bytes. */
export function hashOf(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex').slice(0, 16);
}

/** Every file under `folder`, sorted: path relative to it, and content. */
export async function readTree(folder: string): Promise<{ path: string; content: Buffer }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  return Promise.all(paths.map(async (path) => ({ path, content: await readFile(join(folder, path)) })));
}
