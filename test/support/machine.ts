import type { Machine } from '#domain/machine.js';

/** A Linux machine that any task may have; `changes` say what matters to the test. */
export function aMachine(name: string, changes: Partial<Machine> = {}): Machine {
  return {
    ...{ name, label: name, platform: 'linux', arch: 'x64', tags: [], reserved: false },
    ...{ ip: '10.0.2.15', resultServer: { ip: '10.0.2.2', port: 2042 }, snapshot: null },
    ...changes,
  };
}
