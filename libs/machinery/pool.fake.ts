import type { Machine, Requirements } from '#domain/machine.js';
import { fakeMachinery, type FakeMachinery } from './adapters/fake/fake.js';
import type { Machinery } from './machinery.js';
import { MachinePool } from './pool.js';

export const never = new AbortController().signal;
export const any: Requirements = { machine: null, platform: null, arch: null, tags: [] };

export function machine(name: string, tags: readonly string[] = []): Machine {
  return {
    ...{ name, label: name, platform: 'linux', tags, ip: '10.0.2.15', snapshot: null },
    resultServer: { ip: '10.0.2.2', port: 2042 },
    arch: 'x64',
    reserved: false,
  };
}

/** Lets everything that waits only for promises go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

export function poolOf(machinery: Machinery, onChange?: (line: string) => void) {
  return new MachinePool([machinery], {
    startLimit: 2,
    onChange: ({ name }, { state, reason: why }) =>
      onChange?.(`${name} ${state}${why === null ? '' : `: ${why}`}`),
  });
}

export function stateOf(pool: MachinePool, name: string) {
  return pool.states().find((status) => status.machine.name === name);
}

/**
 * A fake whose calls fail as told in `failing`, take `delayMs` (of jest's fake clock, when it runs), and end up in
 * `overlaps` when one machine gets a second call before the first has ended.
 */
export function fragile(
  machines: readonly Machine[],
  delayMs = 0,
  onCall: (verb: string, name: string) => void = () => undefined,
): FakeMachinery & { readonly failing: Set<string>; readonly overlaps: readonly string[] } {
  const fake = fakeMachinery(machines);
  const failing = new Set<string>();
  const busy = new Set<string>();
  const overlaps: string[] = [];
  const wrap =
    (verb: 'prepare' | 'start' | 'stop') =>
    async ({ name }: Machine, signal: AbortSignal): Promise<void> => {
      onCall(verb, name);
      if (busy.has(name)) overlaps.push(`${verb} ${name}`);
      busy.add(name);
      try {
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
        if (failing.has(`${verb} ${name}`)) throw new Error(`${verb} failed`);
        const known = machines.find((one) => one.name === name);
        if (known) await fake[verb](known, signal);
      } finally {
        busy.delete(name);
      }
    };
  return { ...fake, failing, overlaps, prepare: wrap('prepare'), start: wrap('start'), stop: wrap('stop') };
}
