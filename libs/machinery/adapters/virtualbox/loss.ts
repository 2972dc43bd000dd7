import { SandboxError } from '#domain/errors.js';
import { printable, VBoxError } from './vbox-error.js';
import { observe } from './states.js';
import type { VBoxManage } from './vboxmanage.js';

/** VBoxManage tells of no events: all running machines are looked at together, so often. */
const EVERY_MS = 1_000;

/** After that the machines of a host that does not answer are given up. That is the host's failure, not a guest's. */
const SILENCE_MS = 60_000;

/** Notices running machines that are no longer. */
export class LossWatch implements AsyncDisposable {
  /** By machine name: aborts when the current run ends by itself. */
  readonly #runs = new Map<string, AbortController>();
  /** By machine name: UUIDs of those that are to be running. */
  readonly #watched = new Map<string, string>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #answered = 0;

  constructor(
    private readonly manage: VBoxManage,
    private readonly everyMs = EVERY_MS,
    private readonly silenceMs = SILENCE_MS,
  ) {}

  signal(machine: string): AbortSignal {
    return this.#run(machine).signal;
  }

  /** A run begins; whoever asked about it already keeps its signal, unless that tells of a loss before it. */
  renew(machine: string): void {
    if (this.#run(machine).signal.aborted) this.#runs.delete(machine);
  }

  /** The machine runs from now on. */
  watch(machine: string, uuid: string): void {
    if (this.#watched.size === 0) this.#answered = Date.now();
    this.#watched.set(machine, uuid);
    this.#later();
  }

  /** Its end is ours: its signal never aborts, the next run has a new one. */
  reset(machine: string): void {
    this.#runs.delete(machine);
    this.#watched.delete(machine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watched.clear();
    clearTimeout(this.#timer);
    this.#closing.abort(new Error('VirtualBox is being closed'));
    await this.#looking;
  }

  #run(machine: string): AbortController {
    const run = this.#runs.get(machine) ?? new AbortController();
    this.#runs.set(machine, run);
    return run;
  }

  #later(): void {
    if (this.#timer !== undefined || this.#watched.size === 0 || this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => {
        this.#timer = undefined;
        this.#later();
      });
    }, this.everyMs).unref();
  }

  /** Never throws. */
  async #look(): Promise<void> {
    // Those of before the question: what starts meanwhile may not be in the answer.
    const watched = [...this.#watched].map(([machine, uuid]) => ({ machine, uuid, run: this.#run(machine) }));
    const { signal } = this.#closing;
    try {
      const up = new Set((await this.manage.list('runningvms', signal)).map(({ uuid }) => uuid));
      this.#answered = Date.now();
      for (const { machine, uuid, run } of watched.filter((one) => !up.has(one.uuid))) {
        const why = await this.#whyGone(uuid, signal);
        if (why !== null) this.#lose(machine, run, why);
      }
    } catch (error) {
      if (signal.aborted || Date.now() - this.#answered < this.silenceMs) return;
      const said = error instanceof Error ? printable(error.message) : '';
      for (const { machine, run } of watched)
        this.#lose(machine, run, `VirtualBox does not answer: ${said}`, 'MACHINE_START_FAILED');
    }
  }

  /** Null when it is there after all, or still on its way out. */
  async #whyGone(uuid: string, signal: AbortSignal): Promise<string | null> {
    try {
      const { word, power } = await observe(this.manage, uuid, signal);
      if (power === 'running' || power === 'paused' || power === null) return null;
      return WHY[word] ?? `its state is ${printable(word)}`;
    } catch (error) {
      if (error instanceof VBoxError && error.kind === 'config') return 'it is no longer registered';
      throw error;
    }
  }

  #lose(
    machine: string,
    run: AbortController,
    why: string,
    code: 'GUEST_LOST' | 'MACHINE_START_FAILED' = 'GUEST_LOST',
  ): void {
    if (this.#runs.get(machine) !== run) return;
    this.#watched.delete(machine);
    run.abort(new SandboxError(code, `${machine}: ${why}`));
  }
}

const WHY: Readonly<Record<string, string>> = {
  poweroff: 'it powered itself off',
  aborted: 'its VirtualBox process ended (aborted)',
  'aborted-saved': 'its VirtualBox process ended (aborted)',
  gurumeditation: 'its virtual processor met a fatal error (guru meditation)',
  saved: 'somebody saved its state',
};
