import { writeFile } from 'node:fs/promises';
import { SandboxError } from '#domain/errors.js';
import type { Machine, PowerState } from '#domain/machine.js';
import type { Machinery } from '../../machinery.js';

/** 1×1, black. */
const SCREEN = Buffer.from('P6\n1 1\n255\n\0\0\0', 'latin1');

export interface FakeMachinery extends Machinery {
  /** What was asked, e.g. `start win10`, in order. */
  readonly calls: readonly string[];
  /** The guest panics, its process is killed: whoever watches `lost` is told. */
  lose(name: string): void;
}

/** Machines that only remember what state they are in, for tests and dry runs. */
export function fakeMachinery(machines: readonly Machine[]): FakeMachinery {
  const states = new Map<string, PowerState>();
  const runs = new Map<string, AbortController>();
  const calls: string[] = [];
  const begin = (verb: string, machine: Machine, signal: AbortSignal) => {
    signal.throwIfAborted();
    calls.push(`${verb} ${machine.name}`);
  };
  const run = (name: string) => {
    const current = runs.get(name) ?? new AbortController();
    runs.set(name, current);
    return current;
  };
  return {
    kind: 'fake',
    machines,
    calls,

    async prepare(machine, signal) {
      begin('prepare', machine, signal);
      states.set(machine.name, 'paused');
    },

    async start(machine, signal) {
      begin('start', machine, signal);
      if (run(machine.name).signal.aborted) runs.delete(machine.name); // a new run, not lost yet
      states.set(machine.name, 'running');
    },

    async stop(machine, signal) {
      begin('stop', machine, signal);
      states.set(machine.name, 'off');
      runs.delete(machine.name);
    },

    state: async (machine) => states.get(machine.name) ?? 'off',

    lost: (machine) => run(machine.name).signal,

    screenshot: async (machine, signal) => {
      begin('screenshot', machine, signal);
      return SCREEN;
    },

    dumpMemory: async (machine, path, signal) => {
      begin('dumpMemory', machine, signal);
      await writeFile(path, SCREEN);
    },

    lose(name) {
      if (states.get(name) !== 'running') return;
      states.set(name, 'off');
      run(name).abort(new SandboxError('GUEST_LOST', `${name}: lost by test`));
    },
  };
}
