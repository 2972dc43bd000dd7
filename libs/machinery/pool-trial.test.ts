import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TEST_PHASES } from '#domain/machine-test.js';
import { any, fragile, machine, never, poolOf, settle, stateOf } from './pool.fake.js';

const answers = { answers: async (): Promise<void> => {} };

/** Everything takes a moment of jest's clock. */
async function advance(ms = 1_000): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
}

describe('testing a machine', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('it is restored, started, asked, stopped and made ready; no task gets it meanwhile', async () => {
    const fake = fragile([machine('a')], 10);
    const pool = poolOf(fake);
    await advance();
    let asked = (): void => {};
    const result = pool.test(
      'a',
      { answers: () => new Promise<void>((resolve) => (asked = resolve)) },
      never,
    );
    await advance();
    expect(stateOf(pool, 'a')?.state).toBe('restoring');
    expect(pool.free()).toEqual([]);
    expect(pool.tryAcquire(any)).toBeNull();
    const task = pool.acquire(any, never);
    asked();
    await advance();
    const { phases, failed } = await result;
    expect(failed).toBeNull();
    expect(Object.keys(phases)).toEqual([...TEST_PHASES]);
    expect(fake.calls.slice(2)).toEqual(['stop a', 'prepare a', 'start a', 'stop a', 'prepare a']);
    expect((await task).machine.name).toBe('a');
    expect(fake.overlaps).toEqual([]);
    const closed = pool.close(never);
    await advance();
    await closed;
  });

  test('it waits for the task that has the machine, and comes before the next one', async () => {
    const fake = fragile([machine('a')]);
    const pool = poolOf(fake);
    const lease = await pool.acquire(any, never);
    const order: string[] = [];
    const next = pool.acquire(any, never).then(() => order.push('task'));
    const result = pool.test('a', answers, never).then(() => order.push('test'));
    await settle();
    expect(order).toEqual([]);
    await lease[Symbol.asyncDispose]();
    await Promise.all([result, next]);
    expect(fake.calls.filter((call) => call === 'start a')).toEqual(['start a']);
    expect(order.toSorted()).toEqual(['task', 'test']);
    await pool.close(never);
  });

  test.each([
    ['prepare a', 'restore', 'prepare failed'],
    ['start a', 'start', 'start failed'],
    ['stop a', 'restore', 'stop failed'],
  ])(
    'a failing %s: the phase %s and the reason are told, and it is quarantined',
    async (call, phase, why) => {
      const fake = fragile([machine('a')]);
      const pool = poolOf(fake);
      await settle();
      fake.failing.add(call);
      expect((await pool.test('a', answers, never)).failed).toEqual({ phase, reason: why });
      expect(stateOf(pool, 'a')).toMatchObject({ state: 'quarantined', reason: why });
      fake.failing.clear();
      expect((await pool.test('a', answers, never)).failed).toBeNull();
      expect(stateOf(pool, 'a')).toMatchObject({ state: 'ready', reason: null });
      expect(jest.getTimerCount()).toBe(0);
      await pool.close(never);
    },
  );

  test('an agent that does not answer fails it; one that was suspected meanwhile is tested at once', async () => {
    const fake = fragile([machine('a')]);
    const pool = poolOf(fake);
    await settle();
    const silent = pool.test('a', { answers: () => Promise.reject(new Error('no answer')) }, never);
    expect((await silent).failed).toEqual({ phase: 'agent', reason: 'no answer' });
    expect(await fake.state(machine('a'))).toBe('running');
    await advance(1_000);
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    const lease = await pool.acquire(any, never);
    const result = pool.test('a', answers, never);
    lease.suspect('odd');
    await lease[Symbol.asyncDispose]();
    await advance(0);
    expect((await result).failed).toBeNull();
    expect(stateOf(pool, 'a')?.state).toBe('ready');
    await pool.close(never);
  });

  test('a disabled machine is tested and stays disabled; disabling one in the middle is obeyed at the end', async () => {
    const fake = fragile([machine('a')], 10);
    const pool = poolOf(fake);
    await advance();
    pool.setEnabled('a', false);
    await advance();
    const off = pool.test('a', answers, never);
    await advance();
    expect((await off).failed).toBeNull();
    expect(stateOf(pool, 'a')?.state).toBe('disabled');
    pool.setEnabled('a', true);
    await advance();
    const on = pool.test('a', answers, never);
    pool.setEnabled('a', false);
    await advance();
    await on;
    expect(stateOf(pool, 'a')?.state).toBe('disabled');
    expect(await fake.state(machine('a'))).toBe('off');
    const closed = pool.close(never);
    await advance();
    await closed;
  });

  test('who gives up leaves the machine to the tasks, whether the test has begun or not', async () => {
    const pool = poolOf(fragile([machine('a')]));
    const lease = await pool.acquire(any, never);
    const early = new AbortController();
    const waiting = expect(pool.test('a', answers, early.signal)).rejects.toThrow('no patience');
    early.abort(new Error('no patience'));
    await waiting;
    await lease[Symbol.asyncDispose]();
    await settle();
    const late = new AbortController();
    const hung = expect(
      pool.test(
        'a',
        {
          answers: (_, signal) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason as Error));
            }),
        },
        late.signal,
      ),
    ).rejects.toThrow('no patience');
    await settle();
    late.abort(new Error('no patience'));
    await hung;
    await settle();
    expect(stateOf(pool, 'a')).toMatchObject({ state: 'ready', reason: null });
    await pool.close(never);
  });

  test('closing ends it, and a machine that is not there is refused', async () => {
    const fake = fragile([machine('a')]);
    const pool = poolOf(fake);
    await expect(pool.test('b', answers, never)).rejects.toMatchObject({ code: 'NO_MATCHING_MACHINE' });
    const lease = await pool.acquire(any, never);
    const waiting = expect(pool.test('a', answers, never)).rejects.toThrow('the machine pool is closing');
    await pool.close(never);
    await waiting;
    await lease[Symbol.asyncDispose]();
    expect(jest.getTimerCount()).toBe(0);
  });
});
