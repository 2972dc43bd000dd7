import { randomUUID } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The folder itself, or the nearest above it that is there. */
export async function nearestFolder(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null || at === dirname(at)) return at;
  }
}

/** Writes a file and takes it away again: modes do not tell about ACLs, read-only disks or quotas. @throws what the kernel says */
export async function proveWritable(folder: string): Promise<void> {
  const path = join(folder, `.doctor-${randomUUID()}`);
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.write('x');
    await file.sync();
  } finally {
    await rm(path, { force: true });
  }
}
