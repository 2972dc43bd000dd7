import { describe, expect, jest, test } from '@jest/globals';
import { fakeMachinery } from './adapters/fake/fake.js';
import type { MachineLease } from './lease.js';
import type { Machinery } from './machinery.js';
import { any, machine, never, settle, stateOf } from './pool.fake.js';
import { MachinePool } from './pool.js';

describe('a pool that begins when told', () => {
  test('leaves machines alone until then, and for good when it is closed before', async () => {
    const fake = fakeMachinery([machine('a')]);
    const refused = new MachinePool([fake], { startLimit: 1, begins: 'when told' });
    refused.setEnabled('a', false);
    refused.setEnabled('a', true);
    await settle();
    expect(refused.tryAcquire(any)).toBeNull();
    await refused.close(never);
    refused.begin();
    await settle();
    expect(fake.calls).toEqual([]);
    const pool = new MachinePool([fake], { startLimit: 1, begins: 'when told' });
    pool.begin();
    pool.begin();
    await settle();
    expect(fake.calls).toEqual(['stop a', 'prepare a']);
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    await pool.close(never);
  });
});

describe('restoring in place', () => {
  const recycling = (failing = false) => {
    const inner = fakeMachinery([machine('a')]);
    const calls: string[] = [];
    const told = (name: string, does: 'prepare' | 'start' | 'stop'): Machinery['prepare'] => {
      return async (which, signal) => {
        calls.push(`${name} ${which.name}`);
        if (failing && name === 'recycle') throw new Error('no such snapshot');
        await inner[does](which, signal);
      };
    };
    const verbs = {
      prepare: told('prepare', 'prepare'),
      start: told('start', 'start'),
      stop: told('stop', 'stop'),
    };
    const fake = { ...inner, ...verbs, recycle: told('recycle', 'prepare'), calls };
    const stopped: string[] = [];
    const pool = new MachinePool([fake], { startLimit: 1, onStopped: ({ name }) => void stopped.push(name) });
    return { fake, pool, stopped };
  };
  const use = async (pool: MachinePool, work: (lease: MachineLease) => unknown = () => undefined) => {
    await using lease = await pool.acquire(any, never);
    await lease.start(never);
    await work(lease);
  };

  test('takes the place of stop and prepare after a clean use', async () => {
    const { fake, pool, stopped } = recycling();
    await use(pool);
    await settle();
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    // What ran has ended, as by a stop: whoever keeps its network closed must hear of it.
    expect(stopped).toEqual(['a', 'a']);
    await use(pool);
    expect(fake.calls).toEqual(['stop a', 'prepare a', 'start a', 'recycle a', 'start a', 'recycle a']);
    pool.setEnabled('a', false);
    await settle();
    expect(fake.calls.at(-1)).toBe('stop a');
    await pool.close(never);
  });

  test('that fails is followed by them', async () => {
    const { fake, pool } = recycling(true);
    await use(pool);
    await settle();
    expect(fake.calls.slice(2)).toEqual(['start a', 'recycle a', 'stop a', 'prepare a']);
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    await pool.close(never);
  });

  test('is not for a machine that is suspected, was lost, never started, or is taken out', async () => {
    const { fake, pool } = recycling();
    await (await pool.acquire(any, never))[Symbol.asyncDispose]();
    await use(pool, () => fake.lose('a'));
    await use(pool, () => pool.setEnabled('a', false));
    pool.setEnabled('a', true);
    await use(pool, (lease) => lease.suspect('its agent never answered'));
    await settle();
    expect(fake.calls).not.toContain('recycle a');
    await pool.close(never);
  });

  test('is not enough for one that then does not answer', async () => {
    jest.useFakeTimers();
    try {
      const { fake, pool } = recycling();
      await use(pool, () => {
        fake.state = async () => 'error';
      });
      await settle();
      expect(stateOf(pool, 'a')).toMatchObject({ state: 'quarantined', reason: 'a does not answer' });
      fake.state = async () => 'paused';
      await jest.advanceTimersByTimeAsync(1_000);
      expect(fake.calls.slice(3)).toEqual(['recycle a', 'stop a', 'prepare a']);
      expect(stateOf(pool, 'a')?.state).toBe('ready');
      await pool.close(never);
    } finally {
      jest.useRealTimers();
    }
  });
});
