import { createWriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { reason, SandboxError } from '#domain/errors.js';
import type { MachineCapture } from '../../../machinery.js';
import type { QemuProcess } from '../process.js';
import { OWN_FD } from './argv.js';

/** A guest must not fill the disk; an honest analysis stays far below. As in the userspace network. */
const MAX_FILE_BYTES = 1 << 30;

/** How often the size is looked at: nobody tells of a file that grows. */
const LOOK_MS = 1_000;

const ANSWER_TIMEOUT_MS = 5_000;

/** QEMU's name of what writes the packets. */
const DUMP = 'capture';

/**
 * The file that one QEMU may write its packets to. It is born with it and opens nothing else for that; we keep the file
 * when the process is gone.
 */
export class PacketFile {
  #isHeld = false;
  #isDumping = false;
  #isFull = false;
  #look: NodeJS.Timeout | undefined;

  constructor(
    private readonly file: FileHandle,
    private readonly qemu: QemuProcess,
  ) {
    void qemu.ended.then(() => {
      if (!this.#isHeld) void file.close();
    });
  }

  /** It had its full size before it was ended. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** @throws CAPTURE_FAILED */
  async start(signal: AbortSignal): Promise<void> {
    this.#isHeld = true;
    const dump = { 'qom-type': 'filter-dump', id: DUMP, netdev: 'net' };
    try {
      await this.qemu.qmp.execute('object-add', { ...dump, file: `/proc/self/fd/${OWN_FD.capture}` }, signal);
    } catch (cause) {
      await this.release();
      signal.throwIfAborted();
      throw new SandboxError('CAPTURE_FAILED', 'QEMU does not capture packets', { cause });
    }
    this.#isDumping = true;
    this.#look = setInterval(() => void this.#stopWhenFull(), LOOK_MS).unref();
  }

  /** Ends the capture, whether QEMU lives or not, and copies the packets to `path`. */
  async saveTo(path: string): Promise<void> {
    await this.#stop();
    await pipeline(
      this.file.createReadStream({ start: 0, end: MAX_FILE_BYTES - 1, autoClose: false }),
      createWriteStream(path, { mode: 0o600 }),
    );
  }

  /** The packets are not needed any more. */
  async release(): Promise<void> {
    if (!this.#isHeld) return;
    await this.#stop();
    this.#isHeld = false;
    if (this.qemu.condition === 'ended') await this.file.close();
  }

  async #stop(): Promise<void> {
    clearInterval(this.#look);
    if (!this.#isDumping) return;
    this.#isDumping = false;
    try {
      await this.qemu.qmp.execute('object-del', { id: DUMP }, AbortSignal.timeout(ANSWER_TIMEOUT_MS));
    } catch {
      // gone, and the packets with it are whole: each is written at once
    }
  }

  async #stopWhenFull(): Promise<void> {
    if ((await this.file.stat()).size < MAX_FILE_BYTES) return;
    this.#isFull = true;
    await this.#stop();
  }
}

/** The captures of machines: one that is asked for while a machine is off begins when it is restored. */
export class Captures {
  readonly #wanted = new Map<string, { packets: PacketFile | null }>();

  /** A machine was restored. @throws CAPTURE_FAILED */
  async restored(machine: string, packets: PacketFile, signal: AbortSignal): Promise<void> {
    const wanted = this.#wanted.get(machine);
    if (wanted === undefined) return;
    await wanted.packets?.release();
    wanted.packets = null;
    await packets.start(signal);
    wanted.packets = packets;
  }

  /** @throws CAPTURE_FAILED */
  async begin(
    machine: string,
    { path, packets }: { path: string; packets: PacketFile | null },
    signal: AbortSignal,
  ): Promise<MachineCapture> {
    if (this.#wanted.has(machine)) {
      throw new SandboxError('CAPTURE_FAILED', `the packets of ${machine} are being captured already`);
    }
    const wanted = { packets: null as PacketFile | null };
    this.#wanted.set(machine, wanted);
    try {
      await packets?.start(signal);
      wanted.packets = packets;
    } catch (error) {
      this.#wanted.delete(machine);
      throw error;
    }
    let saved: Promise<{ readonly full: boolean }> | null = null;
    const save = async () => {
      this.#wanted.delete(machine);
      try {
        await wanted.packets?.saveTo(path);
        return { full: wanted.packets?.isFull ?? false };
      } catch (cause) {
        throw new SandboxError('CAPTURE_FAILED', `${path} cannot be written: ${reason(cause)}`, { cause });
      } finally {
        await wanted.packets?.release();
      }
    };
    const finish = () => (saved ??= save());
    return {
      finish,
      [Symbol.asyncDispose]: async () => {
        await finish().catch(() => undefined);
      },
    };
  }
}
