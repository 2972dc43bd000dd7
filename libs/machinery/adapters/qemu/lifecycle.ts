import { SandboxError } from '#domain/errors.js';
import type { Machine, PowerState } from '#domain/machine.js';
import { linkedSignal } from '../../linked-signal.js';
import type { Machinery } from '../../machinery.js';
import { dumpMemory, screenshot } from './evidence.js';
import { lossWatch } from './loss.js';
import type { QemuProcess } from './process.js';

export interface LifecycleParts<M extends Machine> {
  readonly machines: readonly M[];
  /** A fresh QEMU with the machine's saved state, paused. @throws MACHINE_START_FAILED */
  clone(machine: M, signal: AbortSignal): Promise<QemuProcess>;
  /** Asks the restored, running guest for something before it is paused again; null = it needs none of that. */
  readonly warm: ((machine: M, signal: AbortSignal) => Promise<unknown>) | null;
  /** Of the machine's RAM: no memory dump is smaller. */
  ramBytes(machine: M): number;
}

export type QemuLifecycle = Machinery &
  Required<Pick<Machinery, 'screenshot' | 'dumpMemory'>> &
  AsyncDisposable;

/** A command that QEMU answers at once; a QEMU that does not is broken or hostile. */
const ANSWER_TIMEOUT_MS = 5_000;

const KILL_TIMEOUT_MS = 10_000;

/** From restored to stopped, for every kind of QEMU machine: one process a run, thrown away afterwards. */
export function qemuLifecycle<M extends Machine>(parts: LifecycleParts<M>): QemuLifecycle {
  const running = new Map<string, QemuProcess>();
  const losses = lossWatch();

  const restore = async (machine: Machine, by: AbortSignal) => {
    by.throwIfAborted();
    await halt(machine, by);
    losses.renew(machine.name);
    const qemu = await parts.clone(own(machine), by);
    running.set(machine.name, qemu);
    return qemu;
  };

  const halt = async (machine: Machine, by: AbortSignal) => {
    const qemu = running.get(machine.name);
    if (!qemu) return;
    // Even a cancelled caller wants the process gone; only the wait for it can be cut short.
    using patience = linkedSignal([by], KILL_TIMEOUT_MS);
    await qemu.kill(patience.signal);
    running.delete(machine.name);
  };

  const stop = async (machine: Machine, by: AbortSignal) => {
    losses.reset(machine.name);
    await halt(machine, by);
  };

  /** Callers name our machines by equal ones. */
  const own = ({ name }: Machine): M => {
    const found = parts.machines.find((machine) => machine.name === name);
    if (found) return found;
    throw new SandboxError('NO_MATCHING_MACHINE', `QEMU has no machine ${JSON.stringify(name)}`);
  };

  const live = (machine: Machine): QemuProcess => {
    const qemu = running.get(machine.name);
    if (qemu) return qemu;
    throw new SandboxError('GUEST_LOST', `${machine.name} is not running`);
  };

  return {
    kind: 'qemu',
    machines: parts.machines,

    async prepare(machine, by) {
      const qemu = await restore(machine, by);
      if (parts.warm === null) return;
      try {
        await qemu.qmp.execute('cont', {}, by);
        await untilEnd(qemu, parts.warm(own(machine), by));
        await qemu.qmp.execute('stop', {}, by);
      } catch (cause) {
        by.throwIfAborted();
        throw new SandboxError(
          'MACHINE_START_FAILED',
          `${machine.name}: the restored guest does not answer`,
          {
            cause,
          },
        );
      }
    },

    async start(machine, by) {
      by.throwIfAborted();
      const prepared = running.get(machine.name);
      const qemu = prepared?.condition === 'alive' ? prepared : await restore(machine, by);
      try {
        losses.watch(machine.name, qemu);
        using patience = linkedSignal([by], ANSWER_TIMEOUT_MS);
        await qemu.qmp.execute('cont', {}, patience.signal);
      } catch (cause) {
        by.throwIfAborted();
        throw new SandboxError('MACHINE_START_FAILED', `${machine.name} does not resume`, { cause });
      }
    },

    stop,

    async state(machine) {
      const qemu = running.get(machine.name);
      if (!qemu || qemu.condition === 'ended') return 'off';
      return qemu.condition === 'deaf' ? 'error' : await askState(qemu);
    },

    lost: (machine) => losses.signal(machine.name),

    screenshot: async (machine, by) => await screenshot(live(machine), by),

    dumpMemory: async (machine, path, by) =>
      await dumpMemory(live(machine), { path, minimumBytes: parts.ramBytes(own(machine)) }, by),

    async [Symbol.asyncDispose]() {
      await Promise.allSettled(
        parts.machines.map((machine) => stop(machine, AbortSignal.timeout(KILL_TIMEOUT_MS))),
      );
    },
  };
}

/** Waits for `work`, unless the guest ends first. */
async function untilEnd<T>(qemu: QemuProcess, work: Promise<T>): Promise<T> {
  return await Promise.race([work, qemu.ended.then((why) => Promise.reject(new Error(why)))]);
}

/** QEMU's words for a guest that stands still because we wanted it to. */
const STANDING: ReadonlySet<string> = new Set(['paused', 'prelaunch', 'inmigrate', 'save-vm', 'restore-vm']);

async function askState({ qmp }: QemuProcess): Promise<PowerState> {
  try {
    const answer = await qmp.execute('query-status', {}, AbortSignal.timeout(ANSWER_TIMEOUT_MS));
    const status = (answer as { status?: unknown } | null)?.status;
    if (status === 'running') return 'running';
    return STANDING.has(String(status)) ? 'paused' : 'error';
  } catch {
    return 'error'; // it runs, and does not answer
  }
}
