import { reason, SandboxError } from '#domain/errors.js';
import type { MachineCapture } from '../../machinery.js';
import type { HostFolder } from './host.js';
import { pause } from './pause.js';
import { printable, VBoxError } from './vbox-error.js';
import type { VBoxManage } from './vboxmanage.js';

const COMMAND_MS = 20_000;

/** For a capture to be fetched from another host. */
const FETCH_MS = 120_000;

/** A guest must not fill the disk; an honest analysis stays far below. As in the userspace network. */
const FULL_BYTES = 2 ** 30;

/** How often the size is looked at: VirtualBox knows no limit, and tells nobody of a file that grows. */
const LOOK_MS = 1_000;

/** Most bytes of a capture that are taken: of one that grew on while VirtualBox was told to end it. */
const MAX_CAPTURE = 4 * FULL_BYTES;

const FILE = 'nic1.pcap';

/** Captures of VirtualBox's own (`nictrace`), in pcap format: of the first network card of each machine. */
export class Captures {
  /** By machine: the capture that begins as soon as it runs. */
  readonly #waiting = new Map<string, Trace>();

  constructor(
    private readonly manage: VBoxManage,
    private readonly fullBytes = FULL_BYTES,
    private readonly lookMs = LOOK_MS,
  ) {}

  /**
   * Captures from now on, or from when a machine that is off has been started. A machine that never ran leaves no file.
   *
   * @throws CAPTURE_FAILED
   */
  async open({ vm, running, path, onProblem }: CaptureWanted, signal: AbortSignal): Promise<MachineCapture> {
    const { manage, fullBytes, lookMs } = this;
    const folder = await manage.host.makeFolder(path, signal);
    const trace = new Trace(manage, { vm, folder, fullBytes, lookMs, onProblem });
    try {
      if (running) await trace.begin(signal);
      else this.#waiting.set(vm, trace);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
    let finished: Promise<{ readonly omitted: number }> | null = null;
    const finish = () => {
      if (this.#waiting.get(vm) === trace) this.#waiting.delete(vm);
      return (finished ??= trace.finish(path));
    };
    return {
      finish,
      [Symbol.asyncDispose]: async () => {
        await finish().catch(() => undefined); // whoever wants to hear of it has called finish()
      },
    };
  }

  /** The machine runs now. VirtualBox takes no order for one that is off, so its first packets are missed. @throws CAPTURE_FAILED */
  async started(vm: string, signal: AbortSignal): Promise<void> {
    const trace = this.#waiting.get(vm);
    this.#waiting.delete(vm);
    await trace?.begin(signal);
  }
}

interface CaptureWanted {
  readonly vm: string;
  readonly running: boolean;
  readonly path: string;
  /** Told while the machine runs on. Must not throw. */
  readonly onProblem: (what: string) => void;
}

interface TraceSetup extends Pick<CaptureWanted, 'vm' | 'onProblem'> {
  readonly folder: HostFolder;
  readonly fullBytes: number;
  readonly lookMs: number;
}

/** One capture, from when the machine runs. */
class Trace {
  readonly #ending = new AbortController();
  #begun = false;
  #full = false;
  #watching: Promise<void> = Promise.resolve();

  constructor(
    private readonly manage: VBoxManage,
    private readonly setup: TraceSetup,
  ) {}

  get #offArgs(): readonly string[] {
    return ['controlvm', this.setup.vm, 'nictrace1', 'off'];
  }

  /** @throws CAPTURE_FAILED */
  async begin(signal: AbortSignal): Promise<void> {
    const { vm, folder } = this.setup;
    try {
      await this.manage.patiently(['controlvm', vm, 'nictracefile1', folder.path(FILE)], COMMAND_MS, signal);
      this.#begun = true; // the next one may do its work and fail all the same
      await this.manage.patiently(['controlvm', vm, 'nictrace1', 'on'], COMMAND_MS, signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw failed('VirtualBox does not capture', cause);
    }
    this.#watching = this.#watch(this.#ending.signal);
  }

  /** @throws CAPTURE_FAILED */
  async finish(path: string): Promise<{ readonly omitted: number }> {
    this.#ending.abort(new Error('the capture ends'));
    await this.#watching;
    await using folder = this.setup.folder;
    if (!this.#begun) return { omitted: 0 };
    try {
      await this.#off(AbortSignal.timeout(COMMAND_MS));
      await folder.take(FILE, path, MAX_CAPTURE, AbortSignal.timeout(FETCH_MS));
    } catch (cause) {
      throw failed('the capture is lost', cause);
    }
    return { omitted: this.#full ? 1 : 0 };
  }

  /** Ends the capture when it is full, or says that it cannot. Never rejects. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { folder, fullBytes, lookMs, onProblem } = this.setup;
    let told = false;
    while (!this.#full) {
      try {
        await pause(lookMs, signal);
        if ((await folder.size(FILE, signal)) < fullBytes) continue;
        await this.manage.patiently(this.#offArgs, COMMAND_MS, signal);
        this.#full = true;
        onProblem(`its capture ended at ${fullBytes} bytes: what the guest sends from now on is not in it`);
      } catch (error) {
        if (signal.aborted) return;
        if (told) continue; // it is tried again
        told = true;
        onProblem(`its capture is not held to ${fullBytes} bytes: ${printable(reason(error))}`);
      }
    }
  }

  /** A machine that is off has ended its capture. */
  async #off(signal: AbortSignal): Promise<void> {
    try {
      await this.manage.once(this.#offArgs, COMMAND_MS, signal);
    } catch (error) {
      if (!(error instanceof VBoxError)) throw error;
    }
  }
}

function failed(what: string, cause: unknown): SandboxError {
  return new SandboxError('CAPTURE_FAILED', `${what}: ${printable(reason(cause))}`, { cause });
}
