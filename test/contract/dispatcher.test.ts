import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { SandboxError } from '#domain/errors.js';
import { serves, type Machine } from '#domain/machine.js';
import { TestHosts } from '../support/hosts.js';
import { aMachine } from '../support/machine.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { until } from '../support/until.js';

/** The property opens a lab of its own a dozen times, and other suites run beside it. */
jest.setTimeout(300_000);

const KINDS: readonly Partial<Machine>[] = [
  {},
  { tags: ['office'] },
  { platform: 'windows' },
  { platform: 'windows', tags: ['office'] },
  { tags: ['vip'], reserved: true },
];
const WANTS = [
  {},
  { platform: 'linux' },
  { platform: 'windows' },
  { tags: ['office'] },
  { tags: ['vip'] },
  { machine: 'h0m0' },
  { platform: 'darwin' }, // there is none
];
type Step = { readonly submit: readonly number[] } | { readonly finish: number };
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({ submit: fc.array(fc.nat(WANTS.length - 1), { minLength: 1, maxLength: 5 }) }),
    fc.record({ finish: fc.nat(10) }),
    fc.record({ finish: fc.nat(10) }),
  ),
  { minLength: 3, maxLength: 12, size: 'max' },
);
const hosts = fc.array(fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 2 }), {
  minLength: 1,
  maxLength: 3,
});

describe('the dispatcher', () => {
  let redis: TestRedis;
  let lab: TestHosts;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    lab = await TestHosts.open(redis);
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
  });

  test('whatever comes in whatever order, no machine idles while a task waits that it could serve', async () => {
    const property = fc.asyncProperty(hosts, steps, async (machines, all) => {
      await using one = await TestHosts.open(redis);
      const wants = new Map<number, (typeof WANTS)[number]>();
      for (const [h, kinds] of machines.entries())
        await one.host(
          `h${h}`,
          kinds.map((kind, m) => aMachine(`h${h}m${m}`, kind)),
        );
      const known = one.hosts.flatMap(({ pool }) => pool.states().map(({ machine }) => machine));
      for (const step of all) {
        if ('submit' in step) {
          const asked = step.submit.map((n) => WANTS[n] ?? {});
          const ids = await Promise.all(asked.map((what) => one.submit(what)));
          ids.forEach((id, at) => wants.set(id, asked[at] ?? {}));
        } else {
          const ids = [...one.running.keys()];
          one.finish(ids[step.finish % ids.length] ?? 0);
        }
        await one.settled();
        for (const [id, name] of one.running) {
          const machine = known.find((candidate) => candidate.name === name);
          const asked = { machine: null, platform: null, arch: null, tags: [], ...wants.get(id) };
          expect(machine && serves(machine, asked)).toBe(true);
        }
      }
      while (one.running.size > 0) {
        for (const id of one.running.keys()) one.finish(id);
        await one.settled();
      }
      // Each task that can run has run once.
      const can = [...wants].filter(([, asked]) =>
        known.some((machine) =>
          serves(machine, { machine: null, platform: null, arch: null, tags: [], ...asked }),
        ),
      );
      const byId = (a: number, b: number) => a - b;
      expect(one.began.map(([id]) => id).sort(byId)).toEqual(can.map(([id]) => id).sort(byId));
      for (const [id] of can) expect(await one.tasks.status(id)).toBe('completed');
    });
    await fc.assert(property, { numRuns: 12 });
  });

  test('a task for a machine that is in use does not hold up one for a machine that is free', async () => {
    await lab.host('h', [aMachine('linux1'), aMachine('windows1', { platform: 'windows' })]);
    const first = await lab.submit({ platform: 'linux' });
    await lab.settled();
    const urgent = await lab.submit({ platform: 'linux', priority: 9 });
    const other = await lab.submit({ platform: 'windows' });
    await lab.settled();
    expect([...lab.running.keys()].sort()).toEqual([first, other]);
    lab.finish(first);
    await until(() => lab.running.has(urgent));
  });

  test('a run that failed by its machine goes to another, though the first one is free', async () => {
    const { lab: on } = await lab.host('h', [
      aMachine('linux1'),
      aMachine('linux2'),
      aMachine('other', { reserved: true }),
    ]);
    const id = await lab.submit();
    await lab.settled();
    const first = on.running.get(id);
    first?.fail(new SandboxError('CAPTURE_FAILED', 'the disk is full'));
    await until(() => on.running.has(id) && on.running.get(id) !== first);
    const second = on.running.get(id)?.machine;
    expect(new Set([first?.machine, second])).toEqual(new Set(['linux1', 'linux2']));
    expect(await lab.tasks.find(id)).toMatchObject({
      errors: [`attempt 1 of 3, on ${first?.machine}: the disk is full`],
    });
    // Where there is no other, the same has to do.
    on.running.get(id)?.fail(new SandboxError('CAPTURE_FAILED', 'the disk is full'));
    await until(() => lab.began.length === 3);
    on.running.get(id)?.finish();
    await until(async () => (await lab.tasks.status(id)) === 'completed');
  });

  test('a host without its rooter keeps its tasks until it is back', async () => {
    const { lab: on, dispatcher } = await lab.host('h', [aMachine('linux1')]);
    on.broken = new SandboxError('ROOTER_AWAY', 'the rooter is away');
    const ids: number[] = [];
    for (let n = 0; n < 5; n++) ids.push(await lab.submit());
    await until(() => dispatcher.paused?.includes('the rooter is away') === true);
    for (const id of ids) {
      await until(async () => (await lab.tasks.find(id))?.errors.length === 1);
      expect(await lab.tasks.find(id)).toMatchObject({
        task: { status: 'pending' },
        errors: ['not begun yet: linux1: the rooter is away'],
      });
    }
    on.broken = null;
    for (let n = 0; n < ids.length; n++) {
      await until(() => on.running.size === 1);
      for (const { finish } of on.running.values()) finish();
      await until(() => on.running.size === 0);
    }
    for (const id of ids) await until(async () => (await lab.tasks.status(id)) === 'completed');
  });

  test('a task waits for another machine than the one it failed on, and takes it as soon as it is free', async () => {
    const { lab: on } = await lab.host('h', [aMachine('linux1'), aMachine('linux2')]);
    const long = await lab.submit();
    const id = await lab.submit();
    await lab.settled();
    const { machine: failed } = on.running.get(id) ?? {};
    on.running.get(id)?.fail(new SandboxError('CAPTURE_FAILED', 'the disk is full'));
    await until(async () => (await lab.tasks.status(id)) === 'pending');
    const later = await lab.submit();
    await until(() => on.running.has(later)); // the machine serves others meanwhile
    expect(on.running.get(later)?.machine).toBe(failed);
    on.running.get(long)?.finish();
    await until(() => on.running.has(id));
    expect(on.running.get(id)?.machine).not.toBe(failed);
  });

  test('a drain takes no more tasks, sees what runs to its end, and is then over', async () => {
    const { dispatcher, lab: on, pool } = await lab.host('h', [aMachine('linux1'), aMachine('linux2')]);
    const id = await lab.submit();
    await lab.settled();
    let drained = false;
    void dispatcher.drained.then(() => (drained = true));
    dispatcher.drain();
    const late = await lab.submit();
    await until(() => dispatcher.paused !== null);
    expect(dispatcher.paused).toContain('drained');
    expect({ drained, free: pool.free().length, running: [...on.running.keys()] }).toEqual({
      ...{ drained: false, free: 1, running: [id] },
    });
    on.running.get(id)?.finish();
    await dispatcher.drained;
    await dispatcher[Symbol.asyncDispose](); // no shutdown was asked for, and it ends
    expect([await lab.tasks.status(id), await lab.tasks.status(late)]).toEqual(['completed', 'pending']);
    expect(await lab.queues.lanes.has([late])).toEqual([true]);
  });

  test('a host with nothing to run is drained at once', async () => {
    const { dispatcher } = await lab.host('h', [aMachine('linux1')]);
    dispatcher.drain();
    await dispatcher.drained;
    expect(dispatcher.runs()).toEqual([]);
  });

  test('at a shutdown what runs is handed back, to the front, and nothing of it counts', async () => {
    const host = await lab.host('h', [aMachine('linux1'), aMachine('linux2')]);
    const ids = [await lab.submit(), await lab.submit()];
    await lab.settled();
    const late = await lab.submit();
    await host.shutDown();
    for (const id of [...ids, late]) expect(await lab.tasks.status(id)).toBe('pending');
    await lab.host('other', [aMachine('linux3')]);
    for (const id of [...ids, late]) {
      await lab.settled();
      expect([...lab.running]).toEqual([[id, 'linux3']]);
      expect((await lab.tasks.find(id))?.errors).toEqual([]);
      lab.finish(id);
    }
    await until(async () => (await lab.tasks.status(late)) === 'completed');
  });

  test('a run that was taken away ends at once, and its machine serves the next', async () => {
    const { dispatcher } = await lab.host('h', [aMachine('linux1')]);
    const [lost, next] = [await lab.submit(), await lab.submit()];
    await lab.settled();
    expect(dispatcher.runs()).toMatchObject([{ task: { id: lost }, epoch: 1 }]);
    expect(await lab.tasks.cancel(lost, 'Cancelled')).toEqual({ worker: 'h/1/1' });
    dispatcher.lose(dispatcher.runs());
    await until(() => lab.running.has(next));
    expect(await lab.tasks.status(lost)).toBe('failed_analysis');
  });

  test('what a host may not begin others do; when it may again, it does, without being told', async () => {
    let why: string | null = 'its disk is full';
    const full = await lab.host('full', [aMachine('linux1')], { admission: () => why });
    const id = await lab.submit();
    await until(() => full.dispatcher.paused === why);
    await lab.host('other', [aMachine('linux2')]);
    await until(() => lab.running.has(id));
    expect(lab.running.get(id)).toBe('linux2');
    const next = await lab.submit();
    why = null;
    await until(() => lab.running.has(next));
    expect(lab.running.get(next)).toBe('linux1');
    expect(full.dispatcher.paused).toBeNull();
  });

  test('after five failures in a row the host pauses, whichever tasks they were of', async () => {
    const { dispatcher, lab: on } = await lab.host('h', [aMachine('linux1')]);
    for (let n = 0; n < 5; n++) await lab.submit();
    for (let n = 1; n <= 5; n++) {
      await until(() => lab.began.length === n && on.running.size === 1);
      for (const run of on.running.values()) run.fail(new SandboxError('CAPTURE_FAILED', 'the disk is full'));
    }
    await until(() => dispatcher.paused !== null);
    expect(dispatcher.paused).toMatch(
      /^the last 5 analyses failed for reasons of this host \(linux1: the disk is full/,
    );
    expect(lab.began).toHaveLength(5);
  });
});
