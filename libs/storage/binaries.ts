import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { withinRoom } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import type { Sample } from '#domain/task.js';

/** Finds out about a file while it is written. Dispose it in any case. */
export interface Follower<T> extends Disposable {
  /** So many bytes are in the file by now, and these are the last of them. */
  grew(size: number, chunk: Uint8Array): void;
  /** The file is whole. */
  finish(): Promise<T>;
}

/** Finds hashes and type; reads the file itself. */
export interface FactsFollower extends Follower<Omit<Sample, 'id'>> {
  grew(size: number): void;
}

export interface StoreOptions<T> {
  readonly binariesDir: string;
  readonly maxBytes: number;
  readonly follow: (path: string) => Follower<T>;
}

/** Begins the name of a file that is not whole yet. */
export const TEMPORARY = '.upload-';
/** Milliseconds after which a temporary file that nobody writes to belongs to a process that was killed. */
const ABANDONED_MS = 3_600_000;

/** Removes what uploads left whose process was killed. */
export async function sweepUploads(binariesDir: string): Promise<void> {
  const names = await readdir(binariesDir).catch(() => []); // not made yet: nothing to sweep
  for (const name of names.filter((one) => one.startsWith(TEMPORARY))) {
    const path = join(binariesDir, name);
    const found = await stat(path).catch(() => null); // its upload ended meanwhile
    if (found && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  }
}

/** storage/binaries/<sha256>. @throws SAMPLE_MISSING when the text is not a SHA-256: it must never name another path */
export function binaryPath(binariesDir: string, sha256: string): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new SandboxError('SAMPLE_MISSING', 'not a SHA-256');
  return join(binariesDir, sha256);
}

/**
 * Streams a sample into storage/binaries/<sha256>, mode 0440, hashing on the way; one that is there stays.
 * A temporary file beside it is synced, then linked, so that the name never holds half a file.
 *
 * @throws UPLOAD_TOO_LARGE beyond `maxBytes`, NO_DISK_SPACE
 */
export async function storeSample(
  source: AsyncIterable<Uint8Array>,
  options: StoreOptions<Omit<Sample, 'id'>>,
  signal: AbortSignal,
): Promise<Omit<Sample, 'id'>> {
  const { temporary, found } = await receive(source, options, signal);
  try {
    await nameUpload(temporary, options.binariesDir, found.sha256);
    return found;
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Streams a sample into a temporary file, mode 0440, synced, which is the caller's to name and to remove.
 *
 * @throws UPLOAD_TOO_LARGE beyond `maxBytes`, NO_DISK_SPACE; nothing is left then
 */
export async function receive<T>(
  source: AsyncIterable<Uint8Array>,
  { binariesDir, maxBytes, follow }: StoreOptions<T>,
  signal: AbortSignal,
): Promise<{ readonly temporary: string; readonly found: T }> {
  return withinRoom(unstored(binariesDir), async () => {
    await mkdir(binariesDir, { recursive: true, mode: 0o700 });
    const temporary = join(binariesDir, `${TEMPORARY}${randomUUID()}`);
    await using file = await open(temporary, 'wx', 0o440);
    try {
      using facts = follow(temporary);
      let size = 0;
      for await (const chunk of source) {
        signal.throwIfAborted();
        size += chunk.length;
        if (size > maxBytes) {
          throw new SandboxError('UPLOAD_TOO_LARGE', `the file is larger than ${maxBytes} bytes`);
        }
        await writeAll(file, Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
        facts.grew(size, chunk);
      }
      signal.throwIfAborted();
      const [found] = await Promise.all([facts.finish(), file.sync()]);
      return { temporary, found };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  });
}

/** From now on the received file is there under its hash, also after a power cut. @throws NO_DISK_SPACE */
export async function nameUpload(temporary: string, binariesDir: string, sha256: string): Promise<void> {
  await withinRoom(unstored(binariesDir), async () => {
    await linkOnce(temporary, binaryPath(binariesDir, sha256));
    await syncFolder(binariesDir);
  });
}

function unstored(binariesDir: string): string {
  return `the file could not be stored in ${binariesDir}`;
}

/** `write` may take less than all, as on a disk that fills up. */
async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Buffer): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += (await file.write(bytes, at)).bytesWritten;
}

/** The name is there afterwards, by this call or another. */
export async function linkOnce(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

export async function syncFolder(dir: string): Promise<void> {
  await using folder = await open(dir, 'r');
  await folder.sync();
}
