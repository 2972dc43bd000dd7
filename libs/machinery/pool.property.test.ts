import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { MachineLease } from './lease.js';
import { any, fragile, machine, never, poolOf, settle } from './pool.fake.js';
import type { MachinePool } from './pool.js';

type Step =
  | { readonly do: 'acquire'; readonly tag: number }
  | { readonly do: 'release' | 'suspect' | 'cancel'; readonly which: number }
  | { readonly do: 'break' | 'mend' | 'disable' | 'enable'; readonly machine: number; readonly verb: number }
  | { readonly do: 'test'; readonly machine: number }
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
  { weight: 1, arbitrary: fc.record({ do: fc.constant('test' as const), machine: fc.nat(2) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(5_000), fc.nat(500)) }),
  },
);

function allReady(pool: MachinePool): boolean {
  return pool.states().every(({ state }) => state === 'ready');
}

const NAMES = ['a', 'b', 'c'] as const;
const VERBS = ['prepare', 'stop', 'start'] as const;

/** A pool, everybody who uses it, and what went wrong so far. */
function world(delayMs: number) {
  const machines = [machine('a', ['t1']), machine('b', ['t1', 't2']), machine('c', ['t3'])];
  const fake = fragile(machines, delayMs, (verb, name) => {
    if (verb !== 'start' && inUse.has(name)) wrongs.push(`${verb} of ${name}, which is in use`);
  });
  const pool = poolOf(fake);
  const held: MachineLease[] = [];
  const inUse = new Set<string>();
  const waiting: { cancel: AbortController; tag: number; number: number }[] = [];
  const served: { tag: number; number: number }[] = [];
  const wrongs: string[] = [];
  const tested = { begun: 0, ended: 0 };
  let number = 0;

  const acquire = (tag: number) => {
    const entry = { cancel: new AbortController(), tag, number: number++ };
    waiting.push(entry);
    const leave = () => waiting.splice(waiting.indexOf(entry), 1);
    const wants = { ...any, tags: tag === 0 ? [] : [`t${tag}`] };
    pool.acquire(wants, entry.cancel.signal).then((lease) => {
      leave();
      served.push(entry);
      if (inUse.has(lease.machine.name)) wrongs.push(`${lease.machine.name} has two users`);
      inUse.add(lease.machine.name);
      held.push(lease);
    }, leave);
  };
  const release = async (lease: MachineLease) => {
    inUse.delete(lease.machine.name);
    await lease[Symbol.asyncDispose]();
  };
  const use = (lease: MachineLease) =>
    lease
      .start(never)
      .catch(() => undefined)
      .then(() => release(lease));
  const test = (name: string) => {
    tested.begun += 1;
    const end = () => (tested.ended += 1);
    pool.test(name, { answers: async () => undefined }, never).then(end, end);
  };
  const leased = () =>
    pool.states().flatMap(({ state, machine: { name } }) => (state === 'leased' ? [name] : []));
  return { fake, pool, held, inUse, waiting, served, wrongs, tested, acquire, release, use, test, leased };
}

async function act(action: Step, here: ReturnType<typeof world>): Promise<void> {
  const { fake, pool, held, waiting } = here;
  switch (action.do) {
    case 'acquire':
      here.acquire(action.tag);
      return;
    case 'release':
    case 'suspect': {
      const [lease] = held.splice(action.which % Math.max(1, held.length), 1);
      if (action.do === 'suspect') lease?.suspect('odd');
      if (lease) void here.use(lease);
      return;
    }
    case 'cancel':
      waiting[action.which % Math.max(1, waiting.length)]?.cancel.abort(new Error('cancelled'));
      return;
    case 'break':
      fake.failing.add(`${VERBS[action.verb]} ${NAMES[action.machine]}`);
      return;
    case 'mend':
      fake.failing.delete(`${VERBS[action.verb]} ${NAMES[action.machine]}`);
      return;
    case 'disable':
    case 'enable':
      pool.setEnabled(NAMES[action.machine] ?? 'a', action.do === 'enable');
      return;
    case 'test':
      here.test(NAMES[action.machine] ?? 'a');
      return;
    case 'wait':
      await jest.advanceTimersByTimeAsync(action.ms);
      return;
  }
}

/** First come, first served among those who want the same. */
function assertOrder({ served, waiting }: ReturnType<typeof world>): void {
  for (const tag of [0, 1, 2, 3]) {
    const got = served.filter((entry) => entry.tag === tag).map((entry) => entry.number);
    expect(got).toEqual(got.toSorted((a, b) => a - b));
    const left = waiting.filter((entry) => entry.tag === tag).map((entry) => entry.number);
    expect(Math.max(-1, ...got)).toBeLessThan(Math.min(Infinity, ...left));
  }
}

describe('whatever happens in whatever order', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const scenario = fc.asyncProperty(
    fc.constantFrom(0, 300),
    fc.array(step, { maxLength: 60 }),
    async (delayMs, steps) => {
      const here = world(delayMs);
      const { fake, pool, held, inUse, waiting, wrongs } = here;
      for (const action of steps) {
        here.served.length = 0;
        await act(action, here);
        await settle();
        assertOrder(here);
        expect(here.leased().sort()).toEqual([...inUse].sort());
        expect([...wrongs, ...fake.overlaps]).toEqual([]);
      }

      // Mend everything: whoever still waits must be served in the end.
      fake.failing.clear();
      for (const name of NAMES) pool.setEnabled(name, true);
      for (let round = 0; round < 70 && !(waiting.length === 0 && allReady(pool)); round++) {
        for (const lease of held.splice(0)) void here.release(lease);
        await jest.advanceTimersByTimeAsync(300_000);
      }
      expect(waiting).toEqual([]);
      expect(here.tested.ended).toBe(here.tested.begun);
      expect(allReady(pool)).toBe(true);

      const closed = pool.close(never);
      await jest.advanceTimersByTimeAsync(10_000);
      await closed;
      for (const which of fake.machines) expect(await fake.state(which)).toBe('off');
      expect([...wrongs, ...fake.overlaps]).toEqual([]);
      expect(jest.getTimerCount()).toBe(0);
    },
  );

  test('no machine has two users, no waiter is forgotten, equals are served in order, nothing is left', async () => {
    await fc.assert(scenario, { numRuns: 100 });
  }, 60_000);
});
