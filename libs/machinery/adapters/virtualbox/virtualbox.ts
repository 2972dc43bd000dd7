import { SandboxError } from '#domain/errors.js';
import type { Machine, OwnMachine } from '#domain/machine.js';
import type { Machinery } from '../../machinery.js';
import { Slots } from '../../slots.js';
import { Captures } from './capture.js';
import { mustHaveCard } from './cards.js';
import { checkMachines } from './checks.js';
import { dumpMemory, screenshot } from './evidence.js';
import type { VBoxHost } from './host.js';
import { LossWatch } from './loss.js';
import { Power, type Vm } from './power.js';
import { RemoteControl, type RemoteScreen } from './remote-control.js';
import { observe, settled } from './states.js';
import { VBoxManage } from './vboxmanage.js';

export interface VirtualBoxSetup {
  /** localHost() or sshHost(). It is this machinery's from now on. */
  readonly host: VBoxHost;
  readonly machines: readonly OwnMachine[];
  /** Whether machines have a window on the host's screen. */
  readonly mode: 'headless' | 'gui';
  /** TCP ports for remote control, e.g. `5000-5050`; null: there is none. */
  readonly controlPorts: string | null;
  /** How many machines are restored or started at the same time: more confuse VirtualBox. */
  readonly startLimit: number;
  /** How long one change of a machine's state may take: Cuckoo's `vm_state`. */
  readonly stateTimeoutMs: number;
  /** Told of what goes wrong, and nobody else would hear of. Must not throw. */
  readonly onProblem?: (machine: Machine, what: string) => void;
}

export type VirtualBoxMachinery = Machinery &
  Required<Pick<Machinery, 'screenshot' | 'dumpMemory' | 'capture'>> &
  RemoteControlled &
  AsyncDisposable;

export interface RemoteControlled {
  /**
   * Whether the machine's next starts open its screen to remote control (VRDE), on the loopback of its host.
   *
   * @throws CONFIG_INVALID when there are no ports for it
   */
  setRemoteControl(machine: Machine, wanted: 'on' | 'off'): void;
  /** Where the running machine's screen is open to remote control; null when it is not, or VirtualBox cannot. */
  remoteControl(machine: Machine, signal: AbortSignal): Promise<RemoteScreen | null>;
}

/** For machines that are still up when all is closed. */
const CLOSE_MS = 60_000;

/** How long `state` waits for a machine that is just changing its state. */
const STATE_MS = 10_000;

/**
 * The operator's own VirtualBox machines. A restored one is held in VirtualBox's state `saved`, which is off: starting
 * it loads its RAM from disk. Opening it only looks, and closing it stops only machines that were used through it.
 *
 * @throws SETUP_MISSING, CONFIG_INVALID
 */
export async function virtualboxMachinery(
  setup: VirtualBoxSetup,
  signal: AbortSignal,
): Promise<VirtualBoxMachinery> {
  const { host, machines } = setup;
  const manage = new VBoxManage(host);
  const power = new Power(manage, setup.mode, setup.stateTimeoutMs);
  const slots = new Slots(setup.startLimit);
  const losses = new LossWatch(manage);
  const captures = new Captures(manage);
  const control = new RemoteControl(manage, setup.controlPorts);
  const isHere = (await host.interfaces()) !== null;
  /** Names of machines that were ours to restore, start or stop: until then somebody else may use them. */
  const ours = new Set<string>();
  /** By machine name: since when it has been as it was restored. */
  const prepared = new Map<string, string>();

  const configured = new Map(machines.map((machine) => [machine.name, machine]));
  const vms = new Map<string, Vm>();
  try {
    for (const vm of await checkMachines(manage, machines, signal)) vms.set(vm.name, vm);
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }

  const known = <T>(all: ReadonlyMap<string, T>, { name }: Pick<Machine, 'name'>): T => {
    const one = all.get(name);
    if (one !== undefined) return one;
    throw new SandboxError('INTERNAL', `VirtualBox has no machine ${name} of ours`);
  };
  const vmOf = (machine: Machine): Vm => known(vms, machine);

  const restore = async (vm: Vm, by: AbortSignal) => {
    prepared.delete(vm.name);
    await power.off(vm, by);
    using _slot = await slots.take('patient', by);
    const { since, info } = await power.restore(vm, by);
    // A snapshot brings its own network cards.
    mustHaveCard(known(configured, vm), { info, isHere });
    prepared.set(vm.name, since);
  };

  const launch = async (machine: Machine, vm: Vm, by: AbortSignal) => {
    prepared.delete(vm.name);
    await control.apply(machine, vm.uuid, by);
    using _slot = await slots.take('urgent', by);
    await power.start(vm, by);
  };

  /** Nobody has touched it since. */
  const isPrepared = async ({ name, uuid }: Vm, by: AbortSignal): Promise<boolean> => {
    const since = prepared.get(name);
    if (since === undefined) return false;
    const seen = await observe(manage, uuid, by);
    return seen.power === 'off' && seen.since === since;
  };

  const stop = async (machine: Machine, by: AbortSignal) => {
    losses.reset(machine.name);
    by.throwIfAborted();
    ours.add(machine.name);
    await power.off(vmOf(machine), by);
  };

  const mustRun = async (machine: Machine, by: AbortSignal): Promise<string> => {
    const { uuid } = vmOf(machine);
    const seen = await observe(manage, uuid, by);
    if (seen.power === 'running' || seen.power === 'paused') return uuid;
    throw new SandboxError('GUEST_LOST', `${machine.name} is not running`);
  };

  return {
    kind: 'virtualbox',
    machines,

    async prepare(machine, by) {
      by.throwIfAborted();
      losses.renew(machine.name);
      ours.add(machine.name);
      await restore(vmOf(machine), by);
    },

    async start(machine, by) {
      by.throwIfAborted();
      const vm = vmOf(machine);
      losses.renew(vm.name);
      ours.add(vm.name);
      if (!(await isPrepared(vm, by))) await restore(vm, by);
      try {
        await launch(machine, vm, by);
      } catch {
        by.throwIfAborted();
        // VirtualBox under load fails now and then what it does the next time: once more, from the beginning.
        await restore(vm, by);
        await launch(machine, vm, by);
      }
      losses.watch(vm.name, vm.uuid);
      await captures.started(vm.uuid, by);
    },

    stop,

    async state(machine) {
      try {
        return (await settled(manage, vmOf(machine).uuid, AbortSignal.timeout(STATE_MS))).power;
      } catch {
        return 'error'; // it does not say
      }
    },

    lost: (machine) => losses.signal(machine.name),

    screenshot: async (machine, by) => await screenshot(manage, await mustRun(machine, by), by),

    dumpMemory: async (machine, path, by) =>
      await dumpMemory(manage, { vm: await mustRun(machine, by), path }, by),

    async capture(machine, path, by) {
      const { uuid } = vmOf(machine);
      const { power: now } = await observe(manage, uuid, by);
      const running = now === 'running' || now === 'paused';
      const onProblem = (what: string) => setup.onProblem?.(machine, what);
      return await captures.open({ vm: uuid, running, path, onProblem }, by);
    },

    setRemoteControl: (machine, wanted) => control.set(machine, wanted),

    remoteControl: async (machine, by) => await control.screen(await mustRun(machine, by), by),

    async [Symbol.asyncDispose]() {
      await losses[Symbol.asyncDispose]();
      const used = machines.filter(({ name }) => ours.has(name));
      await Promise.allSettled(used.map((machine) => stop(machine, AbortSignal.timeout(CLOSE_MS))));
      await host[Symbol.asyncDispose]();
    },
  };
}
