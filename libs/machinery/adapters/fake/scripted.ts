import { writeFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { diskError } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import type { Machine, PowerState } from '#domain/machine.js';
import type { Machinery } from '../../machinery.js';
import { AgentPort } from './agent-port.js';
import { ScriptedGuest } from './guest.js';
import { UNEVENTFUL, type GuestPlan, type GuestWire } from './plan.js';
import { FAKE_SCREEN } from './screen.js';

export interface ScriptedMachinery extends Machinery {
  /** The machine's next run goes by `plan`, and its results go to `wire`, until that is disposed of. */
  plug(machine: Machine, plan: GuestPlan, wire: GuestWire): Disposable;
  /** A connection to the machine's agent; waits for it until `signal` aborts. */
  dial(machine: Machine, signal: AbortSignal): Promise<Duplex>;
  /** The guest panics now. */
  crash(name: string): void;
}

interface Slot {
  power: PowerState;
  /** Of the current run, or of the next one. */
  lost: AbortController;
  guest: ScriptedGuest | null;
  plugged: { readonly plan: GuestPlan; readonly wire: GuestWire } | null;
  /** `no_stop` was met: the second order is obeyed. */
  refused: boolean;
}

/** What a memory dump of a guest without memory holds. */
const MEMORY = 'This machine is fake: its guest is scripted and has no memory.\n';

/** Results of a machine that nobody has plugged in go nowhere. */
const NOWHERE: GuestWire = (stream) => void stream.destroy();

/**
 * Machines without a hypervisor. Each started one is a scripted guest in this process that speaks the real agent and
 * result protocols and goes wrong as it is told. Nothing is restored, so that costs nothing; an idle machine has no
 * timer and no connection.
 */
export function scriptedMachinery(machines: readonly Machine[]): ScriptedMachinery {
  const port = new AgentPort();
  const slots = new Map(machines.map(({ name }) => [name, newSlot()]));
  const slotOf = ({ name }: Pick<Machine, 'name'>): Slot => {
    const slot = slots.get(name);
    if (slot === undefined) throw new SandboxError('NO_MATCHING_MACHINE', `no fake machine is named ${name}`);
    return slot;
  };
  const crash = (machine: Pick<Machine, 'name'>): void => {
    const slot = slotOf(machine);
    if (slot.guest === null) return;
    end(slot);
    slot.lost.abort(new SandboxError('GUEST_LOST', `${machine.name}: its kernel panicked`));
  };
  return {
    kind: 'fake',
    machines,

    async prepare(machine, signal) {
      signal.throwIfAborted();
      const slot = slotOf(machine);
      end(slot);
      slot.power = 'paused';
    },

    async start(machine, signal) {
      signal.throwIfAborted();
      const slot = slotOf(machine);
      end(slot);
      const { plan, wire } = slot.plugged ?? { plan: UNEVENTFUL, wire: NOWHERE };
      if (plan.fault === 'no_start')
        throw new SandboxError('MACHINE_START_FAILED', `${machine.name} did not start (fault no_start)`);
      if (slot.lost.signal.aborted) slot.lost = new AbortController(); // a new run, not lost yet
      slot.refused = false;
      slot.guest = new ScriptedGuest({ machine, plan, wire, port, onCrash: () => crash(machine) });
      slot.power = 'running';
    },

    async stop(machine, signal) {
      signal.throwIfAborted();
      const slot = slotOf(machine);
      if (slot.guest?.plan.fault === 'no_stop' && !slot.refused) {
        slot.refused = true;
        throw new SandboxError('MACHINE_STOP_FAILED', `${machine.name} did not stop (fault no_stop)`);
      }
      end(slot);
      slot.lost = new AbortController();
    },

    state: async (machine) => slotOf(machine).power,

    lost: (machine) => slotOf(machine).lost.signal,

    async screenshot(machine, signal) {
      signal.throwIfAborted();
      const { guest } = slotOf(machine);
      if (guest === null) throw new SandboxError('GUEST_LOST', `${machine.name} shows nothing: it is off`);
      return FAKE_SCREEN;
    },

    async dumpMemory(_machine, path, signal) {
      signal.throwIfAborted();
      await writeFile(path, MEMORY, { mode: 0o600 }).catch((cause: unknown) => {
        throw diskError(`${path} cannot be written`, cause);
      });
    },

    plug(machine, plan, wire) {
      const slot = slotOf(machine);
      const plugged = { plan, wire };
      slot.plugged = plugged;
      return {
        [Symbol.dispose]: () => {
          if (slot.plugged === plugged) slot.plugged = null;
        },
      };
    },

    dial(machine, signal) {
      const { guest } = slotOf(machine);
      if (guest !== null) return guest.dial(signal);
      return Promise.reject(new SandboxError('AGENT_UNREACHABLE', `${machine.name} is off`));
    },

    crash: (name) => crash({ name }),
  };
}

function newSlot(): Slot {
  return { power: 'off', lost: new AbortController(), guest: null, plugged: null, refused: false };
}

function end(slot: Slot): void {
  slot.guest?.powerOff();
  slot.guest = null;
  slot.power = 'off';
}
