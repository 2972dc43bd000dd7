import { open, rm } from 'node:fs/promises';
import { SandboxError } from '#domain/errors.js';
import { VBoxError } from './vbox-error.js';
import type { VBoxManage } from './vboxmanage.js';

/** A PNG of a screen of 2560×1600 has at most 12 MB. */
const MAX_SCREENSHOT = 32 << 20;

/** The guest stands still meanwhile, so it is done at once or never. */
const SCREENSHOT_MS = 20_000;

/** Of 8 GB of RAM onto a slow disk. */
const DUMP_MS = 600_000;

/** Device memory that a core has beside RAM: the screen's, the firmware's. */
const BESIDE_RAM = 512 << 20;

/** The guest's screen as PNG. */
export async function screenshot(manage: VBoxManage, vm: string, signal: AbortSignal): Promise<Buffer> {
  await using folder = await manage.host.makeFolder('', signal);
  await manage.patiently(
    ['controlvm', vm, 'screenshotpng', folder.path('screen.png')],
    SCREENSHOT_MS,
    signal,
  );
  const screen = await folder.read('screen.png', MAX_SCREENSHOT, signal);
  if (screen.toString('latin1', 0, 8) === '\x89PNG\r\n\x1a\n') return screen;
  throw new SandboxError('PROTOCOL_VIOLATION', 'VirtualBox made a screenshot that is no PNG');
}

/**
 * Guest RAM as an ELF core file. VBoxManage's word for it is not taken: older versions said nothing when they wrote
 * nothing, and a disk that ran full leaves half a file.
 */
export async function dumpMemory(
  manage: VBoxManage,
  { vm, path }: { vm: string; path: string },
  signal: AbortSignal,
): Promise<void> {
  const info = await manage.info(vm, signal);
  const ram = Number(info.get('memory')) * 2 ** 20;
  if (!(ram > 0))
    throw new SandboxError('PROTOCOL_VIOLATION', 'VirtualBox does not say how much RAM the guest has');
  await using folder = await manage.host.makeFolder(path, signal);
  try {
    await manage.dump(vm, folder.path('memory.elf'), DUMP_MS, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof VBoxError && NO_ROOM.test(cause.message))
      throw new SandboxError('NO_DISK_SPACE', `no room for a memory dump at ${folder.path('')}`, { cause });
    throw cause;
  }
  await folder.take('memory.elf', path, 2 * ram + BESIDE_RAM, signal);
  try {
    await mustBeCore(path, ram);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

const NO_ROOM = /VERR_DISK_FULL|No space left|Disk quota exceeded/;

/** At least nine tenths of RAM: some of it may be ballooned. */
async function mustBeCore(path: string, ram: number): Promise<void> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const magic = Buffer.alloc(4);
  await file.read(magic, 0, 4, 0);
  if (magic.toString('latin1') !== '\x7fELF')
    throw new SandboxError('PROTOCOL_VIOLATION', "VirtualBox's memory dump is no ELF file");
  if (size < 0.9 * ram)
    throw new SandboxError(
      'PROTOCOL_VIOLATION',
      `VirtualBox's memory dump has only ${size} of ${ram} bytes: is the disk full?`,
    );
}
