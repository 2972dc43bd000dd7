import { quoted } from '#domain/quoted.js';
import { ok, warn, type Verdict } from '../../verdict.js';
import type { KnownMachine } from './patient.js';
import { count } from './words.js';

/** Names of each kind that are told. */
const TOLD = 5;

/** What is known here decides where tasks go: does it hold? Machines are the same by name and platform. */
export function compareMachines(
  node: string,
  known: readonly KnownMachine[],
  real: readonly KnownMachine[],
): Verdict {
  const [before, now] = [byKey(known), byKey(real)];
  const differences = [
    told(
      'new',
      [...now].filter(([key]) => !before.has(key)),
    ),
    told(
      'gone',
      [...before].filter(([key]) => !now.has(key)),
    ),
    told(
      'with other tags',
      [...now].filter(([key, machine]) => tagsDiffer(before.get(key), machine)),
    ),
  ].filter((text) => text !== null);
  if (differences.length === 0) return ok(`${count(known.length, 'machine')}, as the node has them`);
  return warn(
    `the node has changed since it was looked at: ${differences.join('; ')}`,
    `malkoha node refresh ${node}`,
  );
}

function byKey(machines: readonly KnownMachine[]): ReadonlyMap<string, KnownMachine> {
  return new Map(machines.map((machine) => [`${machine.platform}/${machine.name}`, machine]));
}

function tagsDiffer(before: KnownMachine | undefined, now: KnownMachine): boolean {
  return before !== undefined && [...before.tags].sort().join() !== [...now.tags].sort().join();
}

function told(what: string, machines: readonly (readonly [string, KnownMachine])[]): string | null {
  if (machines.length === 0) return null;
  const names = machines.slice(0, TOLD).map(([, { name }]) => quoted(name));
  return `${what}: ${names.join(', ')}${machines.length > TOLD ? ` and ${machines.length - TOLD} more` : ''}`;
}
