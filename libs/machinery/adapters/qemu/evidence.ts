import { constants, createWriteStream } from 'node:fs';
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SandboxError } from '#domain/errors.js';
import type { QemuProcess } from './process.js';

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

/** Of the guest's RAM size, the least that a whole dump has. */
const WHOLE = 0.9;

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
    if (size < minimumBytes * WHOLE) throw new Error(`memory dump: only ${size} bytes`);
    await file.chmod(0o600);
    if (process.getuid?.() === 0) await file.chown(0, 0);
    await move(made, file, path);
  } finally {
    await rm(made, { force: true });
  }
}

/** Only the file that was opened and checked: QEMU may put another one in its place at any moment. */
async function move(from: string, file: FileHandle, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await pipeline(file.createReadStream({ start: 0, autoClose: false }), createWriteStream(to));
    return;
  }
  const [moved, checked] = await Promise.all([lstat(to), file.stat()]);
  if (moved.ino === checked.ino && moved.dev === checked.dev) return;
  await rm(to, { force: true });
  throw new SandboxError('PROTOCOL_VIOLATION', `${from} was replaced while it was taken`);
}

/** The folder is open to a QEMU that may be hostile: no links followed, no pipe or device opened. */
async function openRegular(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new SandboxError('PROTOCOL_VIOLATION', `${path} is no regular file`);
}
