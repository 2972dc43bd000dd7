import { mkdir, statfs } from 'node:fs/promises';
import { SandboxError } from '#domain/errors.js';

export interface DiskSpace {
  /** Bytes; free to us, not to root. */
  readonly free: number;
  readonly total: number;
  readonly used: number;
}

export async function diskSpace(dir: string): Promise<DiskSpace> {
  const { bsize, blocks, bavail } = await statfs(dir);
  return { free: bavail * bsize, total: blocks * bsize, used: (blocks - bavail) * bsize };
}

/** @param conf where `freespace` is set. @throws NO_DISK_SPACE when less than `megabytes` are free; 0 = do not look */
export async function mustHaveSpace(dir: string, megabytes: number, conf = 'cuckoo.conf'): Promise<void> {
  if (megabytes === 0) return;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { free } = await diskSpace(dir);
  if (free >= megabytes * 1024 * 1024) return;
  throw new SandboxError(
    'NO_DISK_SPACE',
    `Only ${Math.floor(free / 1024 / 1024)} MB are free in ${dir}; ${megabytes} MB must be (freespace in ${conf})`,
  );
}
