import { reason } from '#domain/errors.js';
import type { MachineTest, TestPhase } from '#domain/machine-test.js';
import type { Machine } from '#domain/machine.js';
import { linkedSignal } from './linked-signal.js';

/** How a machine is tried. */
export interface Trying {
  /** Its network, from before it starts until before it is stopped. */
  readonly network?: (machine: Machine, signal: AbortSignal) => Promise<AsyncDisposable>;
  /** Waits until the machine, just started, is fit for use. */
  readonly answers: (machine: Machine, signal: AbortSignal) => Promise<unknown>;
}

/** How long a machine that is tested may take to start, and then to answer; a cold guest boots meanwhile. */
const PHASE_TIMEOUT_MS = 120_000;

/** What is done with the machine, each in its phase. */
export interface TrialSteps<T> {
  readonly restore: () => Promise<void>;
  readonly start: (signal: AbortSignal) => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly ready: () => Promise<T>;
}

/** One test of a machine, from the wish to the result. */
export class Trial {
  readonly #phases: Partial<Record<TestPhase, number>> = {};
  #failed: MachineTest['failed'] = null;

  constructor(
    private readonly trying: Trying,
    /** Ends the wait for a machine that is in use, and the test itself. */
    readonly signal: AbortSignal,
    private readonly tell: (result: MachineTest) => void,
  ) {}

  /** @throws what the first phase that fails throws, having kept it as the result */
  async run<T>(machine: Machine, { restore, start, stop, ready }: TrialSteps<T>): Promise<T> {
    await this.#phase('restore', restore);
    const { network, answers } = this.trying;
    const opened: AsyncDisposable[] = [];
    try {
      await this.#bounded('start', async (signal) => {
        if (network) opened.push(await network(machine, signal));
        await start(signal);
      });
      await this.#bounded('agent', (signal) => answers(machine, signal));
    } finally {
      for (const one of opened) await one[Symbol.asyncDispose]();
    }
    await this.#phase('stop', stop);
    return await this.#phase('ready', ready);
  }

  /** Tells the result: the machine is where it belongs now. */
  end(): void {
    this.tell({ phases: this.#phases, failed: this.#failed });
  }

  async #bounded(phase: TestPhase, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    using link = linkedSignal([this.signal], PHASE_TIMEOUT_MS);
    await this.#phase(phase, () => work(link.signal));
  }

  async #phase<T>(phase: TestPhase, work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await work();
    } catch (error) {
      this.#failed = { phase, reason: reason(error) };
      throw error;
    } finally {
      this.#phases[phase] = Math.round(performance.now() - began);
    }
  }
}
