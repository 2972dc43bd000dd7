import { open, type FileHandle } from 'node:fs/promises';
import { qemuArgs, type GuestHardware, type Purpose } from './argv.js';
import type { Identity } from './identity.js';
import { launchQemu, type QemuLaunch, type QemuProcess } from './process.js';
import { connectUnread } from './wire.js';

export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string;
  /** Read-only disk, raw. */
  readonly root: string;
}

export interface QemuStart extends Pick<QemuLaunch, 'program' | 'identity' | 'machine' | 'runDir'> {
  readonly hardware: GuestHardware;
  readonly files: GuestFiles;
  readonly purpose: Purpose;
  /** Descriptor of guest RAM or of the qcow2 with the snapshot; null when this QEMU needs neither. */
  readonly memory: number | null;
  /** Unix socket that the guest's network card connects to; null = a cable to nowhere. */
  readonly wire: string | null;
}

/**
 * Starts a QEMU of the default guest: sandboxed, unprivileged, its files given as descriptors.
 *
 * @throws MACHINE_START_FAILED with what QEMU said
 */
export async function startQemu(start: QemuStart, signal: AbortSignal): Promise<QemuProcess> {
  const { files, hardware, purpose, identity } = start;
  await using kernel = await openForQemu(files.kernel, identity);
  await using initrd = await openForQemu(files.initrd, identity);
  await using root = await openForQemu(files.root, identity);
  const wire = start.wire === null ? null : await connectUnread(start.wire, signal);
  try {
    const given = [wire ?? 'pipe', kernel.fd, initrd.fd, root.fd, start.memory ?? 'ignore'] as const;
    const onSpawned = () => void wire?.destroy();
    return await launchQemu({ ...start, args: qemuArgs(hardware, purpose), given, onSpawned }, signal);
  } finally {
    wire?.destroy();
  }
}

/** QEMU opens what it is given again, through /proc, as whoever it is: the file itself must let it. */
async function openForQemu(path: string, identity: Identity | null): Promise<FileHandle> {
  const file = await open(path, 'r');
  const { mode } = await file.stat();
  if (identity !== null && (mode & 0o004) === 0) await file.chmod(mode | 0o444);
  return file;
}
