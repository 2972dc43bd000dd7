import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { TERMINAL } from '#domain/task.js';
import { openDatabase } from '#storage/database.js';
import { replaceTask } from '#storage/reschedule.js';
import { onEachDatabase } from '../support/databases.js';
import type { Ending } from '../support/lab-host.js';
import { ModelLab } from '../support/lab-model.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { aSubmission } from '../support/task.js';

type Step = (lab: ModelLab) => Promise<void>;
type Command = fc.AsyncCommand<object, ModelLab>;

/** Time passes when a step says so; timers are real, for databases and Redis need them. */
const REAL_TIMERS = [
  ...(['nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'hrtime'] as const),
  ...(['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const),
];
const HOSTS = 3;
const host = fc.nat(HOSTS - 1);
/** Of the tasks there are, whichever that is. */
const which = fc.nat(20);

function command(name: string, step: Step): Command {
  return {
    check: () => true,
    run: async (_, lab) => {
      await step(lab);
      await lab.compare();
    },
    toString: () => name,
  };
}

const hostOf = (lab: ModelLab, n: number) => lab.hosts[n] ?? lab.hosts[0];
const pick = (lab: ModelLab, n: number): number =>
  [...lab.rules.keys()][n % Math.max(1, lab.rules.size)] ?? 0;

async function submit(lab: ModelLab, priority: number, isQueued: boolean): Promise<void> {
  const task = await lab.tasks.create(aSubmission({ priority }), null);
  lab.submitted(task.id);
  if (isQueued) await lab.queues.enqueueAnalysis(task);
}

async function cancel(lab: ModelLab, id: number): Promise<void> {
  const before = lab.rules.get(id);
  const cancelled = await lab.tasks.cancel(id, 'Cancelled [CANCELLED]');
  const may = before?.status === 'pending' || before?.status === 'running';
  expect(cancelled).toEqual(may ? { worker: before.worker } : null);
  if (!may) return;
  lab.move(id, { status: 'failed_analysis', worker: null });
  await lab.queues.remove(id);
}

async function reschedule(lab: ModelLab, id: number, db: DataSource, isQueued: boolean): Promise<void> {
  const before = lab.rules.get(id);
  if (before === undefined || before.status === 'running') return; // the API refuses it
  const task = await lab.tasks.get(id);
  const copy = await replaceTask(db, task, aSubmission());
  expect(copy === null).toBe(before.status === 'recovered');
  if (copy === null) return;
  if (TERMINAL.includes(before.status)) lab.ends.set(id, (lab.ends.get(id) ?? 0) - 1);
  lab.move(id, { status: 'recovered' });
  lab.submitted(copy);
  if (!isQueued) return;
  await lab.queues.remove(id);
  await lab.queues.enqueueAnalysis(await lab.tasks.get(copy));
}

async function rereport(lab: ModelLab, id: number, isQueued: boolean): Promise<void> {
  const status = lab.rules.get(id)?.status;
  if (status !== 'reported' && status !== 'failed_processing') return;
  expect(await lab.tasks.move(id, status, 'completed')).toBe(true);
  lab.ends.set(id, (lab.ends.get(id) ?? 0) - 1);
  lab.move(id, { status: 'completed' });
  if (isQueued) await lab.queues.enqueueProcessing(await lab.tasks.get(id));
}

/** So long that who is silent is taken for gone; a reconciler that looks less often does not know. */
async function watch(lab: ModelLab): Promise<void> {
  for (let looks = 0; looks < 4; looks++) {
    lab.time(9_000);
    await lab.repair();
  }
}

/** Everything works again: nothing that was accepted may be left behind. */
async function heal(lab: ModelLab): Promise<void> {
  const isOver = () => [...lab.rules.values()].every(({ status }) => TERMINAL.includes(status));
  for (let round = 0; round < 12 && !isOver(); round++) {
    for (const one of lab.hosts) {
      while (one.runs.length > 0) await one.end('complete', true);
      await one.look();
    }
    lab.time(6_000);
    for (const one of lab.hosts) await one.look();
    await lab.repair();
    for (const one of lab.hosts) {
      while (await one.take()) await one.claim(true);
      while (one.runs.length > 0) await one.end('complete', true);
    }
    for (const id of lab.rules.keys()) await lab.process(id, 'reported');
    await watch(lab);
  }
  const left = [...lab.rules].filter(([, { status }]) => !TERMINAL.includes(status));
  expect(left).toEqual([]);
  expect([...lab.rules.keys()].map((id) => [id, lab.ends.get(id)])).toEqual(
    [...lab.rules.keys()].map((id) => [id, 1]),
  );
  expect(await lab.queues.redis.hlen('malkoha:queued')).toBe(0);
}

onEachDatabase((fresh, kind) => {
  describe('the states of tasks', () => {
    let server: TestRedis;
    let db: DataSource;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
    });
    beforeEach(async () => {
      db = await openDatabase(await fresh());
      jest.useFakeTimers({ doNotFake: [...REAL_TIMERS] });
    });
    afterEach(async () => {
      jest.useRealTimers();

      await db.destroy();
    });

    const commands = () => {
      const ending = fc.constantFrom<Ending>('complete', 'fail', 'again', 'again', 'hand back');
      return fc.commands(
        [
          fc
            .tuple(fc.integer({ min: 0, max: 2 }), fc.boolean())
            .map(([priority, isQueued]) =>
              command(`submit ${priority} ${isQueued}`, (lab) => submit(lab, priority, isQueued)),
            ),
          host.map((n) =>
            command(`${n}: take`, async (lab) => {
              await hostOf(lab, n)?.take();
            }),
          ),
          fc
            .tuple(host, fc.boolean())
            .map(([n, isTold]) =>
              command(`${n}: claim ${isTold}`, async (lab) => hostOf(lab, n)?.claim(isTold)),
            ),
          host.map((n) =>
            command(`${n}: take, claim, and the answer is lost`, async (lab) => {
              await hostOf(lab, n)?.take();
              await hostOf(lab, n)?.claim(false);
              await hostOf(lab, n)?.look();
              lab.time(6_000);
              await hostOf(lab, n)?.look();
            }),
          ),
          host.map((n) =>
            command(`${n}: take, claim`, async (lab) => {
              await hostOf(lab, n)?.take();
              await hostOf(lab, n)?.claim(true);
            }),
          ),
          fc
            .tuple(host, ending, fc.boolean())
            .map(([n, how, isQueued]) =>
              command(`${n}: ${how} ${isQueued}`, async (lab) => hostOf(lab, n)?.end(how, isQueued)),
            ),
          host.map((n) => command(`${n}: crash`, async (lab) => hostOf(lab, n)?.crash())),
          host.map((n) =>
            command(`${n}: look, look`, async (lab) => {
              await hostOf(lab, n)?.look();
              lab.time(6_000);
              await hostOf(lab, n)?.look();
            }),
          ),
          fc.constantFrom(100, 2_000, 31_000).map((ms) => command(`time ${ms}`, async (lab) => lab.time(ms))),
          fc.constant(command('repair', (lab) => lab.repair())),
          fc.constant(
            command('repair twice', async (lab) => {
              await lab.repair();
              await watch(lab);
            }),
          ),
          // Seldom: what is ended here is not seen through the rest.
          fc.tuple(which, fc.nat(5), fc.boolean()).map(([n, what, isQueued]) => {
            if (what === 0) return command(`cancel ${n}`, (lab) => cancel(lab, pick(lab, n)));
            if (what > 2)
              return command(`rereport ${n} ${isQueued}`, (lab) => rereport(lab, pick(lab, n), isQueued));
            return command(`reschedule ${n} ${isQueued}`, (lab) =>
              reschedule(lab, pick(lab, n), db, isQueued),
            );
          }),
          fc
            .tuple(which, fc.constantFrom('reported' as const, 'failed_processing' as const))
            .map(([n, to]) => command(`process ${n} ${to}`, (lab) => lab.process(pick(lab, n), to))),
          fc.constant(
            command('Redis loses its data', async () => {
              await server.redis.flushall();
            }),
          ),
        ],
        { maxCommands: 50, size: 'max' },
      );
    };

    test('whatever happens in whatever order, each task has one run at a time and one end', async () => {
      await fc.assert(
        fc.asyncProperty(commands(), async (all) => {
          await server.redis.flushall();
          for (const table of ['guests', 'errors', 'tasks', 'workers'])
            await db.query(`DELETE FROM ${table}`);
          const lab = new ModelLab(db, server.redis, (ms) => jest.advanceTimersByTime(ms));
          try {
            for (const one of lab.hosts) await one.begin();
            for (const isQueued of [true, true, false]) await submit(lab, 1, isQueued);
            await fc.asyncModelRun(() => ({ model: {}, real: lab }), all);
            await heal(lab);
          } finally {
            await lab.queues[Symbol.asyncDispose]();
          }
        }),
        { numRuns: kind === 'sqlite' ? 30 : 20 },
      );
    });
  });
});
