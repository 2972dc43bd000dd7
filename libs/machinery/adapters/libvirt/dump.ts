import { constants, createWriteStream } from 'node:fs';
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { diskError } from '#domain/disk-error.js';
import { reason, SandboxError } from '#domain/errors.js';
import type { Domain } from '#libvirt/libvirt.js';
import { connectionLost, type Hypervisor } from './hypervisor.js';

/** What QEMU and libvirt say when the file system is full. */
const NO_ROOM = /No space left|Disk quota exceeded/;

const ELF = Buffer.from('\x7fELF', 'latin1');

export interface Dump {
  readonly domain: Domain;
  readonly path: string;
  readonly memoryBytes: number;
}

/**
 * Guest RAM as an ELF core file, written by libvirtd, which commonly is root and then gives the file to root, readable
 * by nobody else. So the file is made here first and held open: what was opened stays readable.
 *
 * @throws NO_DISK_SPACE, or libvirt's error with what to set
 */
export async function dumpLocally(
  libvirt: Hypervisor,
  { domain, path, memoryBytes }: Dump,
  signal: AbortSignal,
): Promise<void> {
  const made = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    try {
      await libvirt.coreDump(domain, path, { memoryOnly: true }, signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw dumpError(path, cause);
    }
    await verifyDump(made, path, memoryBytes);
    await own(made, path, signal);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await made.close();
  }
}

export function dumpError(path: string, cause: unknown): Error {
  if (connectionLost(cause)) return new Error(`libvirtd went away while it wrote ${path}`, { cause });
  if (NO_ROOM.test(reason(cause)))
    return new SandboxError('NO_DISK_SPACE', `${path} has no room for a memory dump`, { cause });
  const hint = /denied|not permitted/i.test(reason(cause))
    ? ': libvirtd must be able to write there (is the folder on a network share, or forbidden by AppArmor or SELinux?)'
    : '';
  return new Error(`libvirt wrote no memory dump to ${path}${hint}`, { cause });
}

/** libvirt reports a dump cut short as done when its file system lied to it. */
export async function verifyDump(made: FileHandle, path: string, memoryBytes: number): Promise<void> {
  const [ours, there] = await Promise.all([made.stat(), lstat(path)]);
  if (ours.ino !== there.ino || ours.dev !== there.dev)
    throw new Error(
      `libvirt put another file in the place of ${path}: set dynamic_ownership = 0 in its qemu.conf`,
    );
  const least = Math.floor(memoryBytes * 0.9);
  if (ours.size < least)
    throw new Error(`the memory dump has only ${ours.size} bytes of a guest with ${memoryBytes}`);
  const magic = Buffer.alloc(ELF.length);
  await made.read(magic, 0, magic.length, 0);
  if (!magic.equals(ELF)) throw new Error('the memory dump is no ELF core file');
}

/** A file that libvirtd took for itself is exchanged for a copy of ours. */
async function own(made: FileHandle, path: string, signal: AbortSignal): Promise<void> {
  const { uid, mode } = await made.stat();
  if (uid === process.geteuid?.()) {
    if ((mode & 0o777) !== 0o600) await made.chmod(0o600);
    return;
  }
  const copy = `${path}.copy`;
  try {
    await pipeline(
      made.createReadStream({ start: 0, autoClose: false }),
      createWriteStream(copy, { flags: 'wx', mode: 0o600 }),
      { signal },
    );
    await rename(copy, path);
  } catch (cause) {
    await rm(copy, { force: true });
    signal.throwIfAborted();
    throw diskError(`${path} cannot be written`, cause);
  }
}
