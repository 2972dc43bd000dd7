import { setMaxListeners } from 'node:events';
import { reason, SandboxError } from '#domain/errors.js';
import type { MachineTest } from '#domain/machine-test.js';
import { serves, wanted, type Machine, type MachineState, type Requirements } from '#domain/machine.js';
import { linkedSignal } from './linked-signal.js';
import type { MachineLease, MachineStatus } from './lease.js';
import type { Machinery } from './machinery.js';
import { bestMachine, isFree } from './pick.js';
import { Slots } from './slots.js';
import { Trial, type Trying } from './trial.js';
import { until, untilSettled } from './until.js';

export interface PoolOptions {
  /** How many machines are restored at the same time. */
  readonly startLimit: number;
  /** Milliseconds a stop may take before the machine counts as stuck; default a minute. */
  readonly stopMs?: number;
  /** When told: nothing is done to any machine before begin(), for they may be another's. Default: at once. */
  readonly begins?: 'at once' | 'when told';
  /** Told of every change of state, right after it. Must not throw. */
  readonly onChange?: (machine: Machine, change: Pick<MachineStatus, 'state' | 'reason' | 'retryAt'>) => void;
  /** Told of every stop that succeeded, right after it: nothing of the machine runs any more. Must not throw. */
  readonly onStopped?: (machine: Machine) => void;
}

const STOP_TIMEOUT_MS = 60_000;

/** How long a restore may take; libvirt's slowest measured was 10 s. */
const PREPARE_TIMEOUT_MS = 120_000;

/** First wait before a quarantined machine is tested again; doubles with each failure in a row. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;

interface Entry {
  readonly machine: Machine;
  readonly machinery: Machinery;
  state: MachineState;
  reason: string | null;
  since: Date;
  retryAt: Date | null;
  enabled: boolean;
  /** Known to be off. */
  off: boolean;
  /** It was restored in place, and nobody has had it since. */
  recycled: boolean;
  /** Something is being done in the background to make it free, or disabled. */
  tended: boolean;
  /** Since its last clean use. */
  failures: number;
  timer: NodeJS.Timeout | undefined;
  /** Calls on one machine follow each other. */
  busy: Promise<unknown>;
  /** Tests that were asked for and have not begun: they come before the next task. */
  readonly trials: Trial[];
}

/** Where a machine is left that no task has. */
type Settled = 'ready' | 'free' | 'disabled';

interface Waiter {
  readonly wants: Requirements;
  readonly resolve: (lease: MachineLease) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Hands out machines first come, first served; a waiter never blocks one it does not match. Machines are reverted
 * right after use. One that fails is quarantined, tested again and again, and never silently lost.
 */
export class MachinePool {
  readonly #entries: readonly Entry[];
  readonly #waiting: Waiter[] = [];
  readonly #slots: Slots;
  readonly #closing = unbounded(new AbortController());
  #begun = false;

  /** Machine names are unique over all `machineries`. */
  constructor(
    machineries: readonly Machinery[],
    private readonly options: PoolOptions,
  ) {
    this.#slots = new Slots(options.startLimit);
    this.#entries = machineries.flatMap((machinery) =>
      machinery.machines.map((machine) => newEntry(machinery, machine)),
    );
    assertUnique(this.#entries.map(({ machine }) => machine.name));
    if (options.begins !== 'when told') this.begin();
  }

  /** Stops all machines, whatever they run, and makes them ready. Once: later calls do nothing. */
  begin(): void {
    if (this.#begun || this.#closing.signal.aborted) return;
    this.#begun = true;
    for (const entry of this.#entries) void this.#tend(entry);
  }

  /**
   * Waits for a free machine; a restored one is preferred.
   *
   * @throws NO_MATCHING_MACHINE at once when none can ever match; quarantined ones may
   */
  async acquire(wants: Requirements, signal: AbortSignal): Promise<MachineLease> {
    signal.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    this.#assertPossible(wants);
    const found = this.tryAcquire(wants);
    if (found) return found;
    return await until<MachineLease>(signal, (resolve, reject) => {
      const waiter = { wants, resolve, reject };
      this.#waiting.push(waiter);
      return () => {
        const at = this.#waiting.indexOf(waiter);
        if (at !== -1) this.#waiting.splice(at, 1);
      };
    });
  }

  /** The free machine that suits best, one of `avoid` only when no other could serve, free or not; null: none is free. */
  tryAcquire(wants: Requirements, avoid: readonly string[] = []): MachineLease | null {
    if (this.#closing.signal.aborted) return null;
    const able = this.#entries.filter(({ enabled, machine }) => enabled && serves(machine, wants));
    const others = able.filter(({ machine }) => !avoid.includes(machine.name));
    const found = bestMachine(others.length > 0 ? others : able);
    return found === null ? null : this.#lease(found);
  }

  /** Those that a task could have now. */
  free(): readonly Machine[] {
    return this.#entries.flatMap(({ state, enabled, machine }) =>
      enabled && isFree(state) ? [machine] : [],
    );
  }

  /** Every machine as it is now, in the order they were configured. */
  states(): readonly MachineStatus[] {
    return this.#entries.map(({ machine, machinery, state, reason, since, retryAt }) => ({
      ...{ machine, state, reason, since, retryAt },
      manager: machinery.kind,
    }));
  }

  /** Takes a machine out of service, after the task it may be running, or back in. */
  setEnabled(name: string, enabled: boolean): void {
    const entry = this.#entries.find(({ machine }) => machine.name === name);
    if (!entry || entry.enabled === enabled || this.#closing.signal.aborted) return;
    entry.enabled = enabled;
    this.#rejectImpossible();
    // A task has it, or it is being tended: it is looked at again when that is over.
    if (entry.state === 'leased' || entry.state === 'restoring') return;
    this.#move(entry, enabled ? 'restoring' : 'disabled');
    void this.#tend(entry);
  }

  /**
   * Tries a machine out as soon as no task has it: restores it, gives it its network, starts it, waits until it answers,
   * stops it, makes it ready again. Until then no task gets it. One that fails is quarantined with the reason; one that was quarantined and
   * passes is back. A disabled one is left disabled.
   *
   * @throws NO_MATCHING_MACHINE when there is none of that name
   */
  async test(name: string, trying: Trying, signal: AbortSignal): Promise<MachineTest> {
    const entry = this.#entries.find(({ machine }) => machine.name === name);
    if (!entry)
      throw new SandboxError('NO_MATCHING_MACHINE', `no machine here is named ${JSON.stringify(name)}`);
    using link = linkedSignal([signal, this.#closing.signal], null);
    return await until<MachineTest>(link.signal, (resolve) => {
      const trial = new Trial(trying, link.signal, resolve);
      entry.trials.push(trial);
      // A task has it, or it is being tended: the test comes right after that.
      if (entry.state !== 'leased' && entry.state !== 'restoring') {
        this.#move(entry, 'restoring');
        void this.#tend(entry);
      }
      return () => {
        const at = entry.trials.indexOf(trial);
        if (at !== -1) entry.trials.splice(at, 1);
      };
    });
  }

  /**
   * Ends the pool: waiters are turned away, restores cancelled, all machines stopped, leased ones too. One that has not
   * begun leaves its machines as they are.
   *
   * @throws MACHINE_STOP_FAILED naming the machines that did not stop
   */
  async close(signal: AbortSignal): Promise<void> {
    const closed = new SandboxError('MACHINE_START_FAILED', 'the machine pool is closing');
    this.#closing.abort(closed);
    for (const { reject } of [...this.#waiting]) reject(closed);
    const stops = this.#entries.map(async (entry) => {
      clearTimeout(entry.timer);
      if (!this.#begun) return;
      const stopped = this.#inTurn(entry, () => entry.machinery.stop(entry.machine, signal));
      await untilSettled(stopped, signal);
      this.options.onStopped?.(entry.machine);
      this.#move(entry, 'disabled');
    });
    const failures = (await Promise.allSettled(stops)).flatMap((stop) =>
      stop.status === 'rejected' ? [reason(stop.reason)] : [],
    );
    if (failures.length > 0) throw new SandboxError('MACHINE_STOP_FAILED', failures.join('; '));
  }

  #lease(entry: Entry): MachineLease {
    const { machine, machinery } = entry;
    const resumes = entry.state === 'ready';
    let used = true;
    entry.off = false;
    entry.recycled = false;
    this.#move(entry, 'leased');
    let suspicion: string | null = null;
    let runs = false;
    return {
      machine,
      machinery,
      get lost() {
        return machinery.lost(machine);
      },
      suspect: (why) => {
        suspicion ??= why;
      },
      start: async (signal) => {
        using link = linkedSignal([signal, this.#closing.signal], null);
        try {
          // Resuming costs nothing and must not wait for others that are restored.
          using _slot = resumes ? null : await this.#slots.take('urgent', link.signal);
          await this.#inTurn(entry, () => machinery.start(machine, link.signal));
          runs = true;
        } catch (error) {
          if (!link.signal.aborted) suspicion ??= reason(error);
          throw error;
        }
      },
      [Symbol.asyncDispose]: async () => {
        if (!used) return;
        used = false;
        await this.#release(entry, suspicion, runs && !machinery.lost(machine).aborted);
      },
    };
  }

  /** Never throws: a failing disposer would hide the error that ended the task. */
  async #release(entry: Entry, suspicion: string | null, runs: boolean): Promise<void> {
    if (this.#closing.signal.aborted) {
      await entry.busy; // close() stops it
      return;
    }
    this.#move(entry, 'restoring');
    try {
      const fit = runs && suspicion === null && entry.enabled;
      entry.recycled = fit && (await this.#recycle(entry));
      if (!entry.recycled) await this.#stop(entry);
    } catch (error) {
      this.#quarantine(entry, reason(error));
      return;
    }
    if (suspicion === null) entry.failures = 0;
    if (suspicion !== null && entry.enabled) this.#quarantine(entry, suspicion);
    else void this.#tend(entry);
  }

  /** Brings a machine nobody has to where it belongs: restored and free, or stopped and disabled. Never throws. */
  async #tend(entry: Entry): Promise<void> {
    if (entry.tended) return; // that one will see what has changed
    entry.tended = true;
    clearTimeout(entry.timer);
    const trials: Trial[] = [];
    let outcome: () => void;
    try {
      let state: Settled;
      do {
        const trial = entry.trials.shift();
        if (trial) trials.push(trial);
        state = await (trial ? this.#try(entry, trial) : this.#settle(entry));
      } while (entry.trials.length > 0);
      // An operator may have changed their mind since it was settled: then it is looked at again.
      outcome = () => {
        if (entry.enabled === (state === 'disabled')) void this.#tend(entry);
        else if (state === 'disabled') this.#move(entry, state);
        else this.#offer(entry, state);
      };
    } catch (error) {
      outcome = () => this.#quarantine(entry, reason(error));
    }
    entry.tended = false;
    if (!this.#closing.signal.aborted) outcome();
    for (const trial of trials) trial.end();
  }

  async #try(entry: Entry, trial: Trial): Promise<Settled> {
    const { machine, machinery } = entry;
    try {
      const state = await trial.run(machine, {
        restore: async () => {
          if (!entry.off) await this.#stop(entry);
          await this.#prepare(entry);
        },
        start: (signal) => this.#inTurn(entry, () => machinery.start(machine, signal)),
        stop: () => this.#stop(entry),
        ready: () => this.#settle(entry),
      });
      entry.failures = 0;
      return state;
    } catch (error) {
      // Whoever asked has gone: that says nothing about the machine.
      if (!trial.signal.aborted || this.#closing.signal.aborted) throw error;
      return await this.#settle(entry);
    }
  }

  async #settle(entry: Entry): Promise<Settled> {
    const { machine, machinery } = entry;
    for (;;) {
      const { enabled } = entry;
      if (!enabled || !entry.recycled) {
        if (!entry.off) await this.#stop(entry);
        if (enabled) await this.#prepare(entry);
      }
      // A machinery that cannot hold a restored machine has left it off.
      const power = await machinery.state(machine);
      if (power === 'error')
        throw new SandboxError('MACHINE_START_FAILED', `${machine.name} does not answer`);
      if (enabled !== entry.enabled) continue; // changed its mind meanwhile
      if (!enabled) return 'disabled';
      return power === 'paused' ? 'ready' : 'free';
    }
  }

  /** Whether the machine was restored in place. It goes on running when not: it must be stopped. */
  async #recycle(entry: Entry): Promise<boolean> {
    const { machine, machinery } = entry;
    if (machinery.recycle === undefined) return false;
    using link = linkedSignal([this.#closing.signal], PREPARE_TIMEOUT_MS);
    try {
      using _slot = await this.#slots.take('urgent', link.signal); // its guest goes on meanwhile
      await this.#inTurn(entry, async () => machinery.recycle?.(machine, link.signal));
      this.options.onStopped?.(machine); // what ran in it does not any more
      return true;
    } catch {
      return false; // stopping it and restoring it anew tells what is wrong, if anything
    }
  }

  async #stop(entry: Entry): Promise<void> {
    entry.recycled = false;
    using link = linkedSignal([this.#closing.signal], this.options.stopMs ?? STOP_TIMEOUT_MS);
    await this.#inTurn(entry, () => entry.machinery.stop(entry.machine, link.signal));
    entry.off = true;
    this.options.onStopped?.(entry.machine);
  }

  async #prepare(entry: Entry): Promise<void> {
    using _slot = await this.#slots.take('patient', this.#closing.signal);
    using link = linkedSignal([this.#closing.signal], PREPARE_TIMEOUT_MS);
    entry.off = false;
    await this.#inTurn(entry, () => entry.machinery.prepare(entry.machine, link.signal));
  }

  #offer(entry: Entry, state: 'ready' | 'free'): void {
    this.#move(entry, state);
    const next = this.#waiting.find(({ wants }) => serves(entry.machine, wants));
    next?.resolve(this.#lease(entry));
  }

  /** A machine that did not stop may still run malware: nobody gets it before it has stopped and been restored. */
  #quarantine(entry: Entry, why: string): void {
    if (this.#closing.signal.aborted) return;
    const wait =
      entry.trials.length > 0 ? 0 : Math.min(FIRST_RETRY_MS * 2 ** entry.failures, LONGEST_RETRY_MS);
    entry.failures += 1;
    entry.off = false;
    entry.recycled = false;
    // A disabled one is tested too: it may still run.
    entry.timer = setTimeout(() => void this.#tend(entry), wait).unref();
    this.#move(entry, entry.enabled ? 'quarantined' : 'disabled', why, new Date(Date.now() + wait));
  }

  #inTurn<T>(entry: Entry, call: () => Promise<T>): Promise<T> {
    const result = entry.busy.then(call);
    entry.busy = result.catch(() => undefined); // whoever asked hears of it
    return result;
  }

  #move(entry: Entry, state: MachineState, why: string | null = null, retryAt: Date | null = null): void {
    entry.state = state;
    entry.reason = why;
    entry.retryAt = retryAt;
    entry.since = new Date();
    this.options.onChange?.(entry.machine, { state, reason: why, retryAt });
  }

  #assertPossible(wants: Requirements): void {
    if (this.#entries.some(({ enabled, machine }) => enabled && serves(machine, wants))) return;
    throw new SandboxError('NO_MATCHING_MACHINE', `no machine here ${wanted(wants)}`);
  }

  #rejectImpossible(): void {
    for (const { wants, reject } of [...this.#waiting]) {
      try {
        this.#assertPossible(wants);
      } catch (error) {
        reject(error as Error);
      }
    }
  }
}

/** Every machine listens to it. */
function unbounded(controller: AbortController): AbortController {
  setMaxListeners(0, controller.signal);
  return controller;
}

function newEntry(machinery: Machinery, machine: Machine): Entry {
  return {
    ...{ machine, machinery, state: 'restoring', reason: null, since: new Date(), retryAt: null },
    ...{ enabled: true, off: false, recycled: false, tended: false, failures: 0, timer: undefined },
    busy: Promise.resolve(),
    trials: [],
  };
}

function assertUnique(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return;
  throw new SandboxError('CONFIG_INVALID', `two machines are named ${twice}; a name must be unique`);
}
