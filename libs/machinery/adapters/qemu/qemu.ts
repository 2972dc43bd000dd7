import { SandboxError } from '#domain/errors.js';
import type { Machine, PowerState } from '#domain/machine.js';
import { linkedSignal } from '../../linked-signal.js';
import type { Machinery } from '../../machinery.js';
import { lossWatch } from './loss.js';
import type { Template } from './parts.js';
import type { QemuProcess } from './process.js';
import { openTemplate } from './restore.js';
import { dumpMemory, screenshot } from './evidence.js';

export interface QemuSetup {
  readonly template: Template;
  readonly machines: readonly Machine[];
  /** Holds records and work folders while machines run; see reapOrphans(). */
  readonly runDir: string;
  /** Wires a machine about to be restored: the unix socket its network card connects to. */
  readonly wire: (machine: Machine) => Promise<string>;
  /**
   * Asks a restored guest for something and resolves with its answer. An emulated processor translates code when it
   * first runs it, once per QEMU: a prepared machine that has answered before it was paused answers its task two to
   * three times sooner. Not used under KVM, which translates nothing.
   */
  readonly warm?: (machine: Machine, signal: AbortSignal) => Promise<unknown>;
}

/** A command that QEMU answers at once; a QEMU that does not is broken or hostile. */
const ANSWER_TIMEOUT_MS = 5_000;

const KILL_TIMEOUT_MS = 10_000;

/** Equal machines for one template: names `linux1`, `linux2`… */
export function defaultMachines(count: number): readonly Machine[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `linux${index + 1}`,
    label: `linux${index + 1}`,
    platform: 'linux',
    tags: ['x64'],
    ip: '10.0.2.15',
    resultServer: { ip: '10.0.2.2', port: 2042 },
    arch: 'x64',
    reserved: false,
    snapshot: null,
  }));
}

/**
 * One fresh, unprivileged QEMU per analysis, restored from a template in ~60 ms and thrown away afterwards.
 * Machines share nothing that one of them could change.
 *
 * @throws TEMPLATE_FAILED when the template's files are not what was saved
 */
export async function qemuMachinery(
  { template, machines, runDir, wire, warm }: QemuSetup,
  signal: AbortSignal,
): Promise<Machinery & Required<Pick<Machinery, 'screenshot' | 'dumpMemory'>> & AsyncDisposable> {
  const source = await openTemplate(template, signal);
  const running = new Map<string, QemuProcess>();
  const losses = lossWatch();

  const restore = async (machine: Machine, by: AbortSignal) => {
    by.throwIfAborted();
    await halt(machine, by);
    losses.renew(machine.name);
    const qemu = await source.clone({ machine: machine.name, runDir, wire: await wire(machine) }, by);
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

  const live = (machine: Machine): QemuProcess => {
    const qemu = running.get(machine.name);
    if (qemu) return qemu;
    throw new SandboxError('GUEST_LOST', `${machine.name} is not running`);
  };

  return {
    kind: 'qemu',
    machines,

    async prepare(machine, by) {
      const qemu = await restore(machine, by);
      if (warm === undefined || template.hardware.accelerator === 'kvm') return;
      try {
        await qemu.qmp.execute('cont', {}, by);
        await untilEnd(qemu, warm(machine, by));
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
      await dumpMemory(live(machine), { path, minimumBytes: template.hardware.memoryMb << 20 }, by),

    async [Symbol.asyncDispose]() {
      await Promise.allSettled(
        machines.map((machine) => stop(machine, AbortSignal.timeout(KILL_TIMEOUT_MS))),
      );
      await source[Symbol.asyncDispose]();
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
