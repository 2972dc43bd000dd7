import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rename, unlink, type FileHandle } from 'node:fs/promises';
import type { UploadEntry } from '#domain/artifacts.js';

export interface Stored extends Pick<UploadEntry, 'size' | 'sha256' | 'status'> {
  /** Why the status is not `complete`. */
  readonly cause: unknown;
  /** The host could not write; the guest is not to blame. */
  readonly diskFailed: boolean;
}

/** Makes a file that was not there, and follows no link a guest or a stranger may have left. @throws EEXIST */
export function createExclusive(path: string): Promise<FileHandle> {
  return open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o644);
}

/**
 * Writes `read()` to `file` until it gives null, and closes it. What came before a limit, a broken connection or a full
 * disk is kept; the status says that there was more.
 *
 * @param read the next bytes, null at the end; it may throw
 * @param take asked for each chunk: (bytes wanted, bytes stored so far) → bytes that may be stored
 * @throws the file system's error when the file cannot be closed
 */
export async function store(
  file: FileHandle,
  read: () => Promise<Buffer | null>,
  take: (wanted: number, stored: number) => number,
): Promise<Stored> {
  await using _ = file;
  const hash = createHash('sha256');
  let size = 0;
  const end = (status: Stored['status'], cause?: unknown): Stored => ({
    size,
    sha256: hash.digest('hex'),
    status,
    cause,
    diskFailed: false,
  });
  try {
    for (let chunk = await read(); chunk !== null; chunk = await read()) {
      const kept = chunk.subarray(0, take(chunk.length, size));
      const before = hash.copy();
      const writing = write(file, kept);
      hash.update(kept); // while the thread pool writes
      const { written, cause } = await writing;
      size += written;
      if (cause !== undefined) {
        const sha256 = before.update(kept.subarray(0, written)).digest('hex');
        return { size, sha256, status: 'aborted', cause, diskFailed: true };
      }
      if (kept.length < chunk.length) return end('truncated');
    }
    return end('complete');
  } catch (cause) {
    return end('aborted', cause);
  }
}

/** @throws the file system's error */
export async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  const { cause } = await write(file, bytes);
  if (cause !== undefined) throw cause;
}

/** A disk that fills up takes a part: how much, and why not the rest. */
async function write(file: FileHandle, bytes: Buffer): Promise<{ written: number; cause?: Error }> {
  let written = 0;
  try {
    while (written < bytes.length) written += (await file.write(bytes, written)).bytesWritten;
    return { written };
  } catch (cause) {
    return { written, cause: cause as NodeJS.ErrnoException };
  }
}

/** What file systems answer to a name they cannot hold: the guest chose it. */
const BAD_NAME: ReadonlySet<unknown> = new Set(['ENAMETOOLONG', 'EILSEQ', 'EINVAL']);

/** Whether making or naming a file failed because of the name that the guest asked for. */
export function isNameRefused(error: unknown): boolean {
  return BAD_NAME.has((error as NodeJS.ErrnoException).code);
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
