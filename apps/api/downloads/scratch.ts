import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import type { Download } from '../../http/send.js';
import { openNameless, writeAll } from '../../nameless.js';

/**
 * Gathers what is made while it is asked for, so that its length is known before the first byte is sent. The file has no
 * name: it is gone once closed, and with this process, however that ends.
 *
 * @throws NO_DISK_SPACE, and what `bytes` throws
 */
export async function gather(
  dir: string,
  bytes: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<Download> {
  const file = await openNameless(dir);
  try {
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      hash.update(chunk);
      await writeAll(file, chunk);
      size += chunk.length;
    }
    return { file, size, etag: `"${hash.digest('hex')}"`, modified: null };
  } catch (cause) {
    await file.close();
    if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    throw new SandboxError('NO_DISK_SPACE', `The disk is full; the archive could not be made in ${dir}`, {
      cause,
    });
  }
}

/** Removes the names of a process that was killed between making a file and taking its name away. */
export async function sweepScratch(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => []); // not made yet: nothing to sweep
  for (const name of names) await rm(join(dir, name), { force: true });
}
