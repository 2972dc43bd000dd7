import type { Machine, Requirements } from '#domain/machine.js';
import { fakeMachinery, type FakeMachinery } from './adapters/fake.js';
import type { Machinery } from './machinery.js';
import { MachinePool } from './pool.js';

export const never = new AbortController().signal;
export const any: Requirements = { machine: null, platform: null, tags: [] };

export function machine(name: string, tags: readonly string[] = []): Machine {
  return {
    ...{ name, label: name, platform: 'linux', tags, ip: '10.0.2.15', snapshot: null },
    resultServer: { ip: '10.0.2.2', port: 2042 },
  };
}

/** Lets everything that waits only for promises go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

export function poolOf(machinery: Machinery, onChange?: (line: string) => void) {
  return new MachinePool([machinery], {
    startLimit: 2,
    onChange: ({ name }, state, why) => onChange?.(`${name} ${state}${why === null ? '' : `: ${why}`}`),
  });
}

export function stateOf(pool: MachinePool, name: string) {
  return pool.states().find((status) => status.machine.name === name);
}

/** A fake whose next calls fail as told. */
export function fragile(...machines: readonly Machine[]): FakeMachinery & { failing: Set<string> } {
  const fake = fakeMachinery(machines);
  const failing = new Set<string>();
  const check = (verb: string, name: string) => {
    if (failing.has(`${verb} ${name}`)) throw new Error(`${verb} failed`);
  };
  return {
    ...fake,
    failing,
    prepare: async (which, signal) => {
      await fake.prepare(which, signal);
      check('prepare', which.name);
    },
    start: async (which, signal) => {
      await fake.start(which, signal);
      check('start', which.name);
    },
    stop: async (which, signal) => {
      check('stop', which.name);
      await fake.stop(which, signal);
    },
  };
}
