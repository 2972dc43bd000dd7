import { reason, SandboxError } from '#domain/errors.js';
import { printable, VBoxError } from './vbox-error.js';
import type { VBoxManage } from './vboxmanage.js';

const COMMAND_MS = 20_000;

/** For a capture to be fetched from another host. */
const FETCH_MS = 120_000;

/** Most bytes of a capture that are taken. */
const MAX_CAPTURE = 4 * 2 ** 30;

/** Captures of VirtualBox's own (`nictrace`), in pcap format: of the first network card of each machine. */
export class Captures {
  /** By machine: what begins its capture as soon as it runs. */
  readonly #waiting = new Map<string, (signal: AbortSignal) => Promise<void>>();

  constructor(private readonly manage: VBoxManage) {}

  /**
   * Captures from now on, or from when a machine that is off has been started. The file is at `path` once the capture
   * has been disposed of; when it could not be had, `failed` is told why.
   *
   * @throws CAPTURE_FAILED
   */
  async open({ vm, running, path, failed }: CaptureWanted, signal: AbortSignal): Promise<AsyncDisposable> {
    const { manage } = this;
    const folder = await manage.host.makeFolder(path, signal);
    let begun = false;
    const begin = async (by: AbortSignal): Promise<void> => {
      this.#waiting.delete(vm);
      await turnOn(manage, vm, folder.path('nic1.pcap'), by);
      begun = true;
    };
    try {
      if (running) await begin(signal);
      else this.#waiting.set(vm, begin);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
    return {
      [Symbol.asyncDispose]: async () => {
        if (this.#waiting.get(vm) === begin) this.#waiting.delete(vm);
        try {
          if (!begun) return; // the machine never ran
          await end(manage, vm);
          await folder.take('nic1.pcap', path, MAX_CAPTURE, AbortSignal.timeout(FETCH_MS));
        } catch (error) {
          failed(`the capture is lost: ${printable(reason(error))}`);
        } finally {
          await folder[Symbol.asyncDispose]();
        }
      },
    };
  }

  /** The machine runs now. VirtualBox takes no order for one that is off, so its first packets are missed. @throws CAPTURE_FAILED */
  async started(vm: string, signal: AbortSignal): Promise<void> {
    await this.#waiting.get(vm)?.(signal);
  }
}

interface CaptureWanted {
  readonly vm: string;
  readonly running: boolean;
  readonly path: string;
  readonly failed: (why: string) => void;
}

async function turnOn(manage: VBoxManage, vm: string, path: string, signal: AbortSignal): Promise<void> {
  try {
    await manage.patiently(['controlvm', vm, 'nictracefile1', path], COMMAND_MS, signal);
    await manage.patiently(['controlvm', vm, 'nictrace1', 'on'], COMMAND_MS, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new SandboxError('CAPTURE_FAILED', `VirtualBox does not capture: ${printable(reason(cause))}`, {
      cause,
    });
  }
}

/** A machine that is off has ended its capture. */
async function end(manage: VBoxManage, vm: string): Promise<void> {
  try {
    await manage.once(['controlvm', vm, 'nictrace1', 'off'], COMMAND_MS, AbortSignal.timeout(COMMAND_MS));
  } catch (error) {
    if (!(error instanceof VBoxError)) throw error;
  }
}
