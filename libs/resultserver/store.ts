import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import type { UploadEntry } from '#domain/artifacts.js';

export interface Stored extends Pick<UploadEntry, 'size' | 'sha256' | 'status'> {
  /** Why the status is not `complete`. */
  readonly cause: unknown;
}

/** Makes a file that was not there, and follows no link a guest or a stranger may have left. @throws EEXIST */
export function createExclusive(path: string): Promise<FileHandle> {
  return open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o644);
}

/**
 * Writes `read()` to `file` until it gives null. What came before a limit, a broken connection or a full disk is kept;
 * the status says that there was more.
 *
 * @param read the next bytes, null at the end; it may throw
 * @param take asked for each chunk: (bytes wanted, bytes stored so far) → bytes that may be stored
 */
export async function store(
  file: FileHandle,
  read: () => Promise<Buffer | null>,
  take: (wanted: number, stored: number) => number,
): Promise<Stored> {
  const hash = createHash('sha256');
  let size = 0;
  const end = (status: Stored['status'], cause?: unknown): Stored => ({
    size,
    sha256: hash.digest('hex'),
    status,
    cause,
  });
  try {
    for (let chunk = await read(); chunk !== null; chunk = await read()) {
      const kept = chunk.subarray(0, take(chunk.length, size));
      const writing = writeAll(file, kept);
      hash.update(kept); // while the thread pool writes
      await writing;
      size += kept.length;
      if (kept.length < chunk.length) return end('truncated');
    }
    return end('complete');
  } catch (cause) {
    return end('aborted', cause);
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done)).bytesWritten;
  }
}

/** What hard links fail with where the file system has none. */
const NO_LINKS: ReadonlySet<unknown> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Gives a finished file its name, never in place of another. @throws EEXIST */
export async function publish(temporary: string, final: string): Promise<void> {
  try {
    await link(temporary, final);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code)) throw error;
    await (await createExclusive(final)).close(); // ours now; the rename below replaces nothing else
    await rename(temporary, final);
    return;
  }
  await unlink(temporary);
}
