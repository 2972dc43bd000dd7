import { SandboxError } from '#domain/errors.js';
import type { Machine } from '#domain/machine.js';
import { qemuLifecycle, type QemuLifecycle } from '../lifecycle.js';
import { Attachments, type AgentAddress, type World } from './attach.js';
import { Captures, type MachineCapture } from './capture.js';
import type { OwnProcess } from './launch.js';
import { networkOf, NO_AGENT, type OwnQemuMachine } from './machine.js';
import { folderOf, readOwnSaved } from './parts.js';
import { planMachines, type OwnPlan } from './plan.js';
import { openOwnTemplate, type OpenOwnTemplate } from './restore.js';
import { makeOwnTemplate } from './template.js';

export interface OwnQemuSetup extends World {
  readonly machines: readonly OwnQemuMachine[];
  /** `path` of qemu.conf: programs beside it come before those on PATH; may be empty. */
  readonly path: string;
  /** Holds records and work folders while machines run; see reapOrphans(). */
  readonly runDir: string;
  /** Templates are below it, in machines/<name>. */
  readonly guestsDir: string;
  /** As in QemuSetup; `agent` is null behind a wire. */
  readonly warm?: (
    machine: OwnQemuMachine,
    agent: AgentAddress | null,
    signal: AbortSignal,
  ) => Promise<unknown>;
  readonly onProgress?: (line: string) => void;
}

export interface OwnQemuMachinery extends QemuLifecycle {
  /**
   * As Machinery has it, also for a machine that is off: then from its next restore on. It may outlive the machine's
   * stop.
   */
  capture(machine: Machine, path: string, signal: AbortSignal): Promise<MachineCapture>;

  /**
   * Where the agent of a running machine is; null behind a wire. Behind QEMU's user network it is another port each run.
   *
   * @throws GUEST_LOST when it does not run
   */
  agent(machine: Machine): AgentAddress | null;
}

/**
 * The machines that qemu.conf names: each is restored from its template into a fresh, unprivileged QEMU, whose disk is
 * thrown away. One with a snapshot in its image gets its template when it is first restored, from that; one without must
 * have been prepared, and says so until it is.
 *
 * @throws CONFIG_INVALID or SETUP_MISSING naming all that the machines lack
 */
export async function ownQemuMachinery(setup: OwnQemuSetup, signal: AbortSignal): Promise<OwnQemuMachinery> {
  const plans = await planMachines(setup.machines, setup.path, signal);
  const attachments = new Attachments(setup);
  const templates = new Map<string, OpenOwnTemplate>();
  const runs = new Map<string, OwnProcess>();
  const captures = new Captures();

  const templateOf = async (plan: OwnPlan, by: AbortSignal): Promise<OpenOwnTemplate> => {
    const { name } = plan.machine;
    const known = templates.get(name);
    if (known !== undefined) {
      if (await known.isCurrent()) return known;
      templates.delete(name);
      await known[Symbol.asyncDispose]();
    }
    const opened = await findTemplate(plan, setup, attachments, by);
    templates.set(name, opened);
    return opened;
  };

  const alive = (name: string): OwnProcess | null => {
    const run = runs.get(name);
    return run?.qemu.condition === 'alive' ? run : null;
  };

  const agent = (machine: Pick<Machine, 'name'>): AgentAddress | null => {
    const run = alive(machine.name);
    if (run !== null) return run.agent;
    throw new SandboxError('GUEST_LOST', `${machine.name} is not running`);
  };

  const warm = async (machine: OwnQemuMachine, by: AbortSignal): Promise<void> => {
    if (machine.enableKvm || machine.options.includes(NO_AGENT)) return;
    await setup.warm?.(machine, agent(machine), by);
  };

  const lifecycle = qemuLifecycle({
    machines: setup.machines,
    async clone(machine, by) {
      const plan = plans.find((one) => one.machine.name === machine.name);
      if (plan === undefined) throw new Error(`${machine.name} was not looked at`);
      const { runDir } = setup;
      const template = await templateOf(plan, by);
      const run = await template.clone({ name: machine.name, runDir, attachments }, by);
      try {
        await captures.restored(machine.name, run.packets, by);
      } catch (error) {
        await run.qemu.kill(AbortSignal.timeout(10_000));
        throw error;
      }
      runs.set(machine.name, run);
      return run.qemu;
    },
    warm: setup.warm === undefined ? null : warm,
    ramBytes: ({ name }) => (plans.find(({ machine }) => machine.name === name)?.memory ?? 0) * 2 ** 20,
  });

  return {
    ...lifecycle,
    agent,
    capture: async ({ name }, path, by) =>
      await captures.begin(name, { path, packets: alive(name)?.packets ?? null }, by),
    async [Symbol.asyncDispose]() {
      await lifecycle[Symbol.asyncDispose]();
      for (const template of templates.values()) await template[Symbol.asyncDispose]();
      await attachments[Symbol.asyncDispose]();
    },
  };
}

/** @throws SETUP_MISSING, TEMPLATE_FAILED */
async function findTemplate(
  plan: OwnPlan,
  { guestsDir, runDir, onProgress = () => undefined }: OwnQemuSetup,
  attachments: Attachments,
  signal: AbortSignal,
): Promise<OpenOwnTemplate> {
  const folder = folderOf(guestsDir, plan.machine.name);
  try {
    return await openOwnTemplate(plan, { folder, saved: await readOwnSaved(plan, folder) }, signal);
  } catch (error) {
    signal.throwIfAborted();
    // What is in the image can be taken again; how long a boot takes is for the operator to know.
    if (plan.machine.snapshot === null) throw error;
  }
  const wanted = { plan, folder, runDir, attachments, waitReady: null, onProgress };
  const saved = await makeOwnTemplate(wanted, signal);
  return await openOwnTemplate(plan, { folder, saved }, signal);
}

/** Is the way to this machine's agent a wire of ours? */
export function isWired(machine: OwnQemuMachine): boolean {
  return networkOf(machine).kind === 'wire';
}
