import { createWriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { reason, SandboxError } from '#domain/errors.js';
import type { QemuProcess } from '../process.js';
import { OWN_FD } from './argv.js';
import { WholePackets } from './whole-packets.js';

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
    private readonly qemu: Pick<QemuProcess, 'qmp' | 'ended' | 'condition'>,
    private readonly maxBytes = MAX_FILE_BYTES,
  ) {
    void qemu.ended.then(() => {
      if (!this.#isHeld) void file.close();
    });
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

  /** Ends the capture, whether QEMU lives or not, and copies the packets to `path`, as many as it may hold. */
  async saveTo(path: string): Promise<Saved> {
    await this.#stop();
    const whole = new WholePackets(this.maxBytes);
    await pipeline(
      // A QEMU that does not obey may write on.
      this.file.createReadStream({ start: 0, end: 2 * this.maxBytes, autoClose: false }),
      (chunks: AsyncIterable<Buffer>) => whole.copy(chunks),
      createWriteStream(path, { mode: 0o600 }),
    );
    return { omitted: this.#isFull ? Math.max(1, whole.omitted) : whole.omitted };
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
    if ((await this.file.stat()).size < this.maxBytes) return;
    this.#isFull = true;
    await this.#stop();
  }
}

export interface Saved {
  /** Packets that are missing for the size of the file, or more: once it is full they are not counted. */
  readonly omitted: number;
}

/** Packets being written to a file. Disposing of it finishes it, but says nothing of what went wrong. */
export interface MachineCapture extends AsyncDisposable {
  /** Resolves when the file is whole. @throws CAPTURE_FAILED */
  finish(): Promise<Saved>;
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
    let saved: Promise<Saved> | null = null;
    const save = async () => {
      this.#wanted.delete(machine);
      try {
        return (await wanted.packets?.saveTo(path)) ?? { omitted: 0 };
      } catch (cause) {
        if (cause instanceof SandboxError) throw cause;
        throw new SandboxError('CAPTURE_FAILED', `${path} cannot be written: ${reason(cause)}`, { cause });
      } finally {
        await wanted.packets?.release();
      }
    };
    const finish = () => (saved ??= save());
    return {
      finish,
      [Symbol.asyncDispose]: () => finish().then(nothing, nothing),
    };
  }
}

function nothing(): void {}
