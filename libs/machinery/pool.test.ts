import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { fakeMachinery } from './adapters/fake/fake.js';
import type { Machinery } from './machinery.js';
import { any, fragile, machine, never, poolOf, settle, stateOf } from './pool.fake.js';
import { MachinePool } from './pool.js';

describe('leases', () => {
  test('a machine is restored before anybody asks, and again right after use, even if the use threw', async () => {
    const fake = fakeMachinery([machine('a')]);
    const pool = poolOf(fake);
    await settle();
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    const run = async () => {
      await using lease = await pool.acquire(any, never);
      await lease.start(never);
      throw new Error('agent died');
    };
    await expect(run()).rejects.toThrow('agent died');
    await settle();
    expect(fake.calls).toEqual(['stop a', 'prepare a', 'start a', 'stop a', 'prepare a']);
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    await pool.close(never);
  });

  test('the second task waits for the first, and gets a restored machine', async () => {
    const fake = fakeMachinery([machine('a')]);
    const pool = poolOf(fake);
    const first = await pool.acquire(any, never);
    let served = false;
    const second = pool.acquire(any, never).then((lease) => ((served = true), lease));
    await settle();
    expect(served).toBe(false);
    await first[Symbol.asyncDispose]();
    await (await second)[Symbol.asyncDispose]();
    expect(fake.calls.slice(-3)).toEqual(['stop a', 'prepare a', 'stop a']);
    await pool.close(never);
  });

  test('a waiter never blocks one it does not match', async () => {
    const pool = poolOf(fakeMachinery([machine('a', ['office']), machine('b')]));
    await settle();
    await using _office = await pool.acquire({ ...any, tags: ['office'] }, never);
    const blocked = pool.acquire({ ...any, tags: ['office'] }, AbortSignal.timeout(50));
    await using other = await pool.acquire({ ...any, machine: 'b' }, never);
    expect(other.machine.name).toBe('b');
    await expect(blocked).rejects.toMatchObject({ name: 'TimeoutError' });
    await pool.close(never);
  });

  test('a waiter that gives up leaves the line', async () => {
    const pool = poolOf(fakeMachinery([machine('a')]));
    const first = await pool.acquire(any, never);
    const cancel = new AbortController();
    const gone = pool.acquire(any, cancel.signal);
    const next = pool.acquire(any, never);
    cancel.abort(new Error('user cancelled'));
    await expect(gone).rejects.toThrow('user cancelled');
    await first[Symbol.asyncDispose]();
    await (await next)[Symbol.asyncDispose]();
    await pool.close(never);
  });

  test('asking for what no machine offers fails at once', async () => {
    const pool = poolOf(fakeMachinery([machine('a')]));
    await expect(pool.acquire({ ...any, platform: 'windows' }, never)).rejects.toMatchObject({
      code: 'NO_MATCHING_MACHINE',
      message: 'no machine here runs windows',
    });
    await pool.close(never);
  });

  test('a machinery that holds nothing gives cold machines; restored ones are preferred', async () => {
    const cold = fakeMachinery([machine('cold')]);
    const ready = fakeMachinery([machine('ready')]);
    const holdsNothing: Machinery = { ...cold, prepare: async () => undefined };
    const pool = new MachinePool([holdsNothing, ready], { startLimit: 1 });
    await settle();
    expect(pool.states().map(({ state }) => state)).toEqual(['free', 'ready']);
    await using lease = await pool.acquire(any, never);
    expect(lease.machine.name).toBe('ready');
    await pool.close(never);
  });

  test('no more machines are restored at a time than allowed', async () => {
    const fake = fakeMachinery(['a', 'b', 'c', 'd', 'e'].map((name) => machine(name)));
    let now = 0;
    let most = 0;
    const slow: Machinery = {
      ...fake,
      prepare: async (which, signal) => {
        most = Math.max(most, ++now);
        await settle();
        await fake.prepare(which, signal);
        now -= 1;
      },
    };
    const pool = poolOf(slow);
    for (let turn = 0; turn < 20; turn++) await settle();
    expect(most).toBe(2);
    expect(pool.states().every(({ state }) => state === 'ready')).toBe(true);
    await pool.close(never);
  });
});

describe('quarantine', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test.each(['prepare', 'stop'])(
    'a failing %s: out with the reason, tested with back-off, back when it passes',
    async (verb) => {
      const fake = fragile([machine('a')]);
      fake.failing.add(`${verb} a`);
      const changes: string[] = [];
      const pool = poolOf(fake, (line) => changes.push(line));
      const waiting = pool.acquire(any, never);
      await settle();
      expect(stateOf(pool, 'a')).toMatchObject({ state: 'quarantined', reason: `${verb} failed` });
      await jest.advanceTimersByTimeAsync(1_000); // first test again
      await jest.advanceTimersByTimeAsync(1_999);
      expect(changes).toHaveLength(2);
      fake.failing.clear();
      await jest.advanceTimersByTimeAsync(1);
      await using lease = await waiting;
      expect(lease.machine.name).toBe('a');
      expect(changes.at(-2)).toBe('a ready');
      await pool.close(never);
    },
  );

  test('a machine that does not start is tested before its next use; a clean use clears its record', async () => {
    const fake = fragile([machine('a')]);
    fake.failing.add('start a');
    const pool = poolOf(fake);
    for (const wait of [1_000, 2_000, 4_000]) {
      const lease = await pool.acquire(any, never);
      await expect(lease.start(never)).rejects.toThrow('start failed');
      await lease[Symbol.asyncDispose]();
      expect(stateOf(pool, 'a')).toMatchObject({ state: 'quarantined', reason: 'start failed' });
      expect(stateOf(pool, 'a')?.retryAt?.getTime()).toBe(Date.now() + wait);
      await jest.advanceTimersByTimeAsync(wait);
    }
    fake.failing.clear();
    const clean = await pool.acquire(any, never);
    await clean.start(never);
    await clean[Symbol.asyncDispose]();
    const suspect = await pool.acquire(any, never);
    suspect.suspect('its agent never answered');
    await suspect[Symbol.asyncDispose]();
    expect(stateOf(pool, 'a')?.retryAt?.getTime()).toBe(Date.now() + 1_000);
    await pool.close(never);
  });

  test('one bad machine does not stop the others', async () => {
    const fake = fragile([machine('bad'), machine('good')]);
    fake.failing.add('prepare bad');
    const pool = poolOf(fake);
    for (let task = 0; task < 3; task++) {
      await using lease = await pool.acquire(any, never);
      expect(lease.machine.name).toBe('good');
    }
    await pool.close(never);
  });

  test('disabling and enabling a machine while it is tested does not touch it once it is leased', async () => {
    const inUse = new Set<string>();
    const wrongs: string[] = [];
    const fake = fragile([machine('a')], 300, (verb, name) => {
      if (inUse.has(name)) wrongs.push(`${verb} of ${name}, which is in use`);
    });
    fake.failing.add('prepare a');
    const pool = poolOf(fake);
    await jest.advanceTimersByTimeAsync(600); // stop, prepare: quarantined
    fake.failing.clear();
    await jest.advanceTimersByTimeAsync(1_100); // being tested
    pool.setEnabled('a', false);
    pool.setEnabled('a', true);
    const next = pool.acquire(any, never).then((lease) => {
      inUse.add('a');
      return lease;
    });
    await jest.advanceTimersByTimeAsync(5_000);
    await next;
    expect(wrongs).toEqual([]);
    inUse.clear();
    const closed = pool.close(never);
    await jest.advanceTimersByTimeAsync(1_000);
    await closed;
  });

  test('closing leaves no timer behind', async () => {
    const fake = fragile([machine('a')]);
    fake.failing.add('prepare a');
    const pool = poolOf(fake);
    await settle();
    expect(jest.getTimerCount()).toBe(1);
    await pool.close(never);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('operators', () => {
  test('a disabled machine finishes its task and is then left off, until enabled', async () => {
    const fake = fakeMachinery([machine('a')]);
    const pool = poolOf(fake);
    const lease = await pool.acquire(any, never);
    const waiting = expect(pool.acquire(any, never)).rejects.toMatchObject({ code: 'NO_MATCHING_MACHINE' });
    pool.setEnabled('a', false);
    await waiting;
    expect(stateOf(pool, 'a')?.state).toBe('leased');
    await lease[Symbol.asyncDispose]();
    await settle();
    expect(stateOf(pool, 'a')?.state).toBe('disabled');
    expect(await fake.state(machine('a'))).toBe('off');
    pool.setEnabled('a', true);
    await settle();
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    await pool.close(never);
  });

  test('disabling and enabling in the middle of a restore ends as last asked', async () => {
    const pool = poolOf(fakeMachinery([machine('a')]));
    pool.setEnabled('a', false);
    pool.setEnabled('a', true);
    pool.setEnabled('a', false);
    await settle();
    expect(stateOf(pool, 'a')?.state).toBe('disabled');
    await pool.close(never);
  });

  test('closing turns waiters away, stops leased machines, and names those that do not stop', async () => {
    const fake = fragile([machine('a'), machine('b')]);
    const pool = poolOf(fake);
    const lease = await pool.acquire({ ...any, machine: 'a' }, never);
    await lease.start(never);
    const waiting = expect(pool.acquire({ ...any, machine: 'a' }, never)).rejects.toThrow(
      'the machine pool is closing',
    );
    fake.failing.add('stop b');
    await expect(pool.close(never)).rejects.toMatchObject({ code: 'MACHINE_STOP_FAILED' });
    await waiting;
    expect(await fake.state(machine('a'))).toBe('off');
    await lease[Symbol.asyncDispose]();
    await expect(pool.acquire(any, never)).rejects.toThrow('the machine pool is closing');
  });

  test('two machines of one name are refused', () => {
    expect(() => poolOf(fakeMachinery([machine('a'), machine('a')]))).toThrow('two machines are named a');
  });
});
