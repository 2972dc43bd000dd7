import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { MachineLease } from './lease.js';
import { any, fragile, machine, never, poolOf, settle } from './pool.fake.js';
import type { MachinePool } from './pool.js';

type Step =
  | { readonly do: 'acquire'; readonly tag: number }
  | { readonly do: 'release' | 'suspect' | 'cancel'; readonly which: number }
  | { readonly do: 'break' | 'mend' | 'disable' | 'enable'; readonly machine: number; readonly verb: number }
  | { readonly do: 'wait'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('acquire' as const), tag: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('release' as const, 'suspect' as const, 'cancel' as const),
      which: fc.nat(9),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('break' as const, 'mend' as const, 'disable' as const, 'enable' as const),
      machine: fc.nat(2),
      verb: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(5_000) }) },
);

function allReady(pool: MachinePool): boolean {
  return pool.states().every(({ state }) => state === 'free-ready');
}

describe('whatever happens in whatever order', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const NAMES = ['a', 'b', 'c'] as const;

  test('no machine has two users, no waiter is forgotten, FIFO among equals, nothing is left running', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const fake = fragile(machine('a', ['t1']), machine('b', ['t1', 't2']), machine('c', ['t3']));
        const pool = poolOf(fake);
        const held: MachineLease[] = [];
        const waiting: { cancel: AbortController; tag: number; number: number }[] = [];
        const disabled = new Set<string>();
        let number = 0;
        let served: { tag: number; number: number }[] = [];

        const acquire = (tag: number) => {
          const entry = { cancel: new AbortController(), tag, number: number++ };
          waiting.push(entry);
          const leave = () => waiting.splice(waiting.indexOf(entry), 1);
          pool
            .acquire({ ...any, tags: tag === 0 ? [] : [`t${tag}`] }, entry.cancel.signal)
            .then(async (lease) => {
              leave();
              served.push(entry);
              expect(held.map((other) => other.machine.name)).not.toContain(lease.machine.name);
              held.push(lease);
            }, leave);
        };

        for (const action of steps) {
          served = [];
          switch (action.do) {
            case 'acquire':
              acquire(action.tag);
              break;
            case 'release':
            case 'suspect': {
              const [lease] = held.splice(action.which % Math.max(1, held.length), 1);
              if (action.do === 'suspect') lease?.suspect('odd');
              await lease?.start(never).catch(() => undefined);
              await lease?.[Symbol.asyncDispose]();
              break;
            }
            case 'cancel':
              waiting[action.which % Math.max(1, waiting.length)]?.cancel.abort(new Error('cancelled'));
              break;
            case 'break':
              fake.failing.add(`${['prepare', 'stop', 'start'][action.verb]} ${NAMES[action.machine]}`);
              break;
            case 'mend':
              fake.failing.delete(`${['prepare', 'stop', 'start'][action.verb]} ${NAMES[action.machine]}`);
              break;
            case 'disable':
            case 'enable': {
              const name = NAMES[action.machine] ?? 'a';
              pool.setEnabled(name, action.do === 'enable');
              if (action.do === 'enable') disabled.delete(name);
              else disabled.add(name);
              break;
            }
            case 'wait':
              await jest.advanceTimersByTimeAsync(action.ms);
              break;
          }
          await settle();
          // First come, first served among those who want the same.
          for (const tag of [0, 1, 2, 3]) {
            const got = served.filter((entry) => entry.tag === tag).map((entry) => entry.number);
            const left = waiting.filter((entry) => entry.tag === tag).map((entry) => entry.number);
            expect(Math.max(-1, ...got)).toBeLessThan(Math.min(Infinity, ...left));
          }
          const leased = pool.states().filter(({ state }) => state === 'leased');
          expect(leased.map((status) => status.machine.name).sort()).toEqual(
            held.map((lease) => lease.machine.name).sort(),
          );
        }

        // Mend everything: whoever still waits must be served in the end.
        fake.failing.clear();
        for (const name of disabled) pool.setEnabled(name, true);
        for (let round = 0; round < 30 && !(waiting.length === 0 && allReady(pool)); round++) {
          for (const lease of held.splice(0)) await lease[Symbol.asyncDispose]();
          await jest.advanceTimersByTimeAsync(300_000);
        }
        expect(waiting).toEqual([]);
        expect(allReady(pool)).toBe(true);
        await pool.close(never);
        for (const { machine: which } of pool.states()) expect(await fake.state(which)).toBe('off');
        expect(jest.getTimerCount()).toBe(0);
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
