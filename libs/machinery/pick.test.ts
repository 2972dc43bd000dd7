import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MACHINE_STATES, type Machine, type MachineState } from '#domain/machine.js';
import { aMachine } from '../../test/support/machine.js';
import { bestMachine, isFree, type Candidate } from './pick.js';

const at = (seconds: number): Date => new Date(1_700_000_000_000 + 1000 * seconds);
const one = (
  name: string,
  state: MachineState,
  { since = 0, ...changes }: Partial<Machine> & { since?: number } = {},
): Candidate => ({ machine: aMachine(name, changes), state, since: at(since) });
const nameOf = (found: Candidate | null): string | undefined => found?.machine.name;

test.each<[string, readonly Candidate[], string | undefined]>([
  ['none is free', [one('a', 'leased'), one('b', 'restoring'), one('c', 'quarantined')], undefined],
  ['there is none', [], undefined],
  ['restored, though it rested less', [one('a', 'free'), one('b', 'ready', { since: 9 })], 'b'],
  ['open, before a reserved one', [one('a', 'ready', { reserved: true }), one('b', 'ready')], 'b'],
  ['restored, though reserved', [one('a', 'free'), one('b', 'ready', { reserved: true })], 'b'],
  ['the one that can less', [one('a', 'ready', { tags: ['office', 'x'] }), one('b', 'ready')], 'b'],
  ['the one that rested longest', [one('a', 'ready', { since: 2 }), one('b', 'ready', { since: 1 })], 'b'],
])('taken: %s', (_why, candidates, expected) => {
  expect(nameOf(bestMachine(candidates))).toBe(expected);
  expect(nameOf(bestMachine(candidates.toReversed()))).toBe(expected);
});

const candidate: fc.Arbitrary<Candidate> = fc
  .record({
    state: fc.constantFrom(...MACHINE_STATES),
    since: fc.nat(5),
    reserved: fc.boolean(),
    tags: fc.subarray(['office', 'old', 'x64']),
  })
  .map(({ state, ...changes }) => one('m', state, changes));

test('a free one is found when there is one, and none of the others is better', () => {
  const rank = ({ machine, state, since }: Candidate): string =>
    [state === 'ready' ? 0 : 1, machine.reserved ? 1 : 0, machine.tags.length, since.getTime()].join(' ');
  fc.assert(
    fc.property(fc.array(candidate, { maxLength: 8 }), (all) => {
      const found = bestMachine(all);
      const free = all.filter(({ state }) => isFree(state));
      expect(found === null).toBe(free.length === 0);
      if (found !== null) expect(rank(found)).toBe(free.map(rank).toSorted()[0]);
    }),
  );
});
