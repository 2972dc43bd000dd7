import { constants, createWriteStream } from 'node:fs';
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { diskError } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import type { QemuProcess } from './process.js';
import { QmpError } from './qmp.js';

/** A 2560×1600 screen of 3 bytes a pixel is 12 MB; the card has 16 MB of memory. */
const MAX_SCREENSHOT = 32 << 20;

/** The guest's screen as PPM (P6). */
export async function screenshot({ qmp, folder }: QemuProcess, signal: AbortSignal): Promise<Buffer> {
  const path = join(folder, 'screen.ppm');
  try {
    await qmp.execute('screendump', { filename: path, format: 'ppm' }, signal);
    await using file = await openRegular(path);
    const { size } = await file.stat();
    if (size > MAX_SCREENSHOT) throw new SandboxError('PROTOCOL_VIOLATION', `a screenshot of ${size} bytes`);
    const screen = Buffer.alloc(size);
    const { bytesRead } = await file.read(screen, 0, size, 0);
    return screen.subarray(0, bytesRead);
  } finally {
    await rm(path, { force: true });
  }
}

/** What QEMU says when the file system is full: it passes errno's text on, and no number. */
const NO_ROOM = /No space left|Disk quota exceeded/;

/** Guest RAM as an ELF core file with one segment per memory range. The guest stands still meanwhile. */
export async function dumpMemory(
  { qmp, folder }: QemuProcess,
  { path, minimumBytes }: { path: string; minimumBytes: number },
  signal: AbortSignal,
): Promise<void> {
  const made = join(folder, 'memory');
  try {
    // Not detached: QEMU tells of a detached dump's end before the guest runs again.
    await qmp.execute('dump-guest-memory', { paging: false, protocol: `file:${made}` }, signal);
    await using file = await openRegular(made);
    const { size } = await file.stat();
    if (size < minimumBytes) throw new Error(`the memory dump has only ${size} of ${minimumBytes} bytes`);
    await file.chmod(0o600);
    if (process.getuid?.() === 0) await file.chown(0, 0);
    await move(made, file, path, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof QmpError && NO_ROOM.test(cause.description))
      throw new SandboxError('NO_DISK_SPACE', `${folder} has no room for a memory dump`, { cause });
    throw cause;
  } finally {
    await rm(made, { force: true });
  }
}

/** Only the file that was opened and checked: QEMU may put another one in its place at any moment. */
async function move(from: string, file: FileHandle, to: string, signal: AbortSignal): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copy(file, to, signal);
    return;
  }
  const [moved, checked] = await Promise.all([lstat(to), file.stat()]);
  if (moved.ino === checked.ino && moved.dev === checked.dev) return;
  await rm(to, { force: true });
  throw new SandboxError('PROTOCOL_VIOLATION', `${from} was replaced while it was taken`);
}

async function copy(file: FileHandle, to: string, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(
      file.createReadStream({ start: 0, autoClose: false }),
      createWriteStream(to, { mode: 0o600 }),
      { signal },
    );
  } catch (cause) {
    await rm(to, { force: true });
    signal.throwIfAborted();
    throw diskError(`${to} cannot be written`, cause);
  }
}

/** The folder is open to a QEMU that may be hostile: no links followed, no pipe or device opened. */
async function openRegular(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new SandboxError('PROTOCOL_VIOLATION', `${path} is no regular file`);
}
