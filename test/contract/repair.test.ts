import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { LEASE_MS, leaderOf, leads } from '#queue/liveness.js';
import { Queues } from '#queue/queues.js';
import type { Repaired } from '#queue/reconcile.js';
import { workerId } from '#queue/worker-id.js';
import { openDatabase } from '#storage/database.js';
import { Machines } from '#storage/machines.js';
import { Tasks } from '#storage/tasks.js';
import { Workers } from '#storage/workers.js';
import { Repair } from '../../apps/worker/repair.js';
import { onEachDatabase } from '../support/databases.js';
import { aMachine } from '../support/machine.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { aSubmission, ON } from '../support/task.js';

const signal = new AbortController().signal;
const quiet = (): void => {};
const all = () => true;
const [HERE, THERE] = ['elsewhere/1/1/here', 'elsewhere/2/2/there'] as const;

onEachDatabase((fresh) => {
  describe('repair', () => {
    let server: TestRedis;
    let db: DataSource;
    let tasks: Tasks;
    let workers: Workers;
    let machines: Machines;
    let queues: Queues;
    let now: number;
    let said: string[];
    let repaired: Repaired[];

    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(async () => {
      await server[Symbol.asyncDispose]();
    });
    beforeEach(async () => {
      db = await openDatabase(await fresh());
      await server.redis.flushall();
      [tasks, workers, machines] = [new Tasks(db), new Workers(db), new Machines(db)];
      queues = new Queues(server.redis, quiet);
      [now, said, repaired] = [0, [], []];
      jest.spyOn(performance, 'now').mockImplementation(() => now);
      for (const id of [HERE, THERE]) await register(id);
    });
    afterEach(async () => {
      jest.restoreAllMocks();
      await queues[Symbol.asyncDispose]();
      await db.destroy();
    });

    const register = async (id: string) =>
      workers.register({ id, name: id.split('/')[3] ?? '', host: 'elsewhere', version: '1' });
    const repairOf = (worker: string, settings: Partial<{ reschedule: boolean; patience: number }> = {}) =>
      new Repair({
        ...{ worker, tasks, machines, workers, queues },
        settings: { reschedule: true, process_results: true, patience: 0, ...settings },
        log: (_level, message) => said.push(message),
        onRepaired: (one) => repaired.push(one),
        pauseMs: 0,
      });
    const submit = async (changes = {}): Promise<number> => {
      const task = await tasks.create(aSubmission(changes), null);
      await queues.enqueueAnalysis(task);
      return task.id;
    };
    /** As a worker does: out of the lane, then claimed. */
    const claim = async (worker: string): Promise<number> => {
      const taken = await queues.lanes.take(all);
      await tasks.runs.claim(taken?.id ?? 0, worker, ON);
      return taken?.id ?? 0;
    };
    /** Time passes until a worker that gives no sign is gone; HERE gives one. */
    const silence = async (repair: Repair): Promise<void> => {
      await repair.look(signal);
      for (let looks = 0; looks < 4; looks++) {
        now += LEASE_MS / 3;
        await workers.beat(HERE, null);
        await repair.look(signal);
      }
    };

    test('what a lost worker ran goes on elsewhere; the third time it fails, and says why', async () => {
      const id = await submit();
      const repair = repairOf(HERE);
      for (let n = 1; n <= 3; n++) {
        expect(await claim(THERE)).toBe(id);
        await silence(repair);
        const times = n === 1 ? 'once' : `${n} times`;
        const why = `the worker ${THERE} was lost while this task ran (${times} so far)`;
        const found = await tasks.find(id);
        expect(found?.errors).toHaveLength(n);
        expect(found?.errors.at(-1)).toMatch(n < 3 ? `${why}; it runs again` : `${why} [WORKER_LOST] `);
        expect(found).toMatchObject({
          task: { status: n < 3 ? 'pending' : 'failed_analysis', outcome: 'worker_lost' },
          guest: { status: 'failed' },
        });
        expect(await queues.lanes.has([id])).toEqual([n < 3]);
        await register(THERE);
      }
      expect((await tasks.find(id))?.task.completedOn).toEqual(expect.any(Date));
      expect(repaired.filter(({ takenBack }) => takenBack.length > 0)).toHaveLength(2);
      expect(repaired.filter(({ failed }) => failed.length > 0)).toEqual([
        { enqueued: [], takenBack: [], failed: [id] },
      ]);
    });

    test('what it had its turn for comes before what waits', async () => {
      const lost = await submit();
      await claim(THERE);
      const later = await submit({ owner: 'ann' });
      await silence(repairOf(HERE));
      expect([(await queues.lanes.take(all))?.id, (await queues.lanes.take(all))?.id]).toEqual([lost, later]);
    });

    test('with reschedule = no it fails at once', async () => {
      const id = await submit();
      await claim(THERE);
      await silence(repairOf(HERE, { reschedule: false }));
      expect(await tasks.get(id)).toMatchObject({ status: 'failed_analysis', outcome: 'worker_lost' });
    });

    test('the machines of a worker that is gone stay, and are nobody’s; its row and its place for letters go', async () => {
      await machines.register(THERE, [aMachine('linux1')]);
      await server.redis.sadd('malkoha:workers', HERE, THERE);
      await silence(repairOf(HERE));
      expect((await workers.list()).map(({ id }) => id)).toEqual([HERE]);
      expect(await machines.find('linux1')).toMatchObject({
        ...{ state: 'disabled', locked: false, reason: 'its worker is gone' },
      });
      expect(await server.redis.smembers('malkoha:workers')).toEqual([HERE]);
    });

    test('a worker never takes itself for gone', async () => {
      const id = await submit();
      await claim(HERE);
      const repair = repairOf(HERE);
      await repair.look(signal);
      now += 10 * LEASE_MS;
      await repair.look(signal);
      expect(await tasks.status(id)).toBe('running');
    });

    test('a worker that begins while it looks keeps what it has just claimed', async () => {
      const id = await submit();
      const list = workers.list.bind(workers);
      jest.spyOn(workers, 'list').mockImplementationOnce(async () => {
        const before = await list();
        await register('elsewhere/3/3/new');
        await claim('elsewhere/3/3/new');
        return before;
      });
      await repairOf(HERE).look(signal);
      expect(await tasks.status(id)).toBe('running');
    });

    test('one worker repairs for all; another one when that has ended', async () => {
      const ended = workerId('ended').replace(/\d+\/ended$/, '1/ended'); // of this host, as the kernel knows
      expect(await leads(server.redis, ended)).toBe(true);
      expect(await leads(server.redis, HERE)).toBe(true);
      expect(await leads(server.redis, HERE)).toBe(true);
      expect(await leads(server.redis, THERE)).toBe(false);
      expect(await leaderOf(server.redis)).toBe(HERE);
      await repairOf(THERE).look(signal);
      expect(repaired).toEqual([]);
      await server.redis.del('malkoha:reconciler'); // it was silent for too long
      await repairOf(THERE).look(signal);
      expect(repaired).toHaveLength(1);
      expect(await leaderOf(server.redis)).toBe(THERE);
      expect(await server.redis.pttl('malkoha:reconciler')).toBeGreaterThan(0);
    });

    test('of many that want to lead at once one does', async () => {
      const wins = await Promise.all(
        Array.from({ length: 20 }, (_, n) => leads(server.redis, `elsewhere/${n}/1/x`)),
      );
      expect(wins.filter(Boolean)).toHaveLength(1);
    });

    test('what Redis lost is queued again, from what the database says', async () => {
      const ids = [await submit({ priority: 3 }), await submit({ platform: 'linux' }), await submit()];
      const running = await claim(HERE);
      await server.redis.flushall();
      await repairOf(HERE).look(signal);
      expect(running).toBe(ids[0]);
      expect(await queues.lanes.has(ids)).toEqual([false, true, true]);
      expect(await tasks.status(running)).toBe('running');
      expect([(await queues.lanes.take(all))?.id, (await queues.lanes.take(all))?.id].sort()).toEqual(
        ids.slice(1),
      );
    });

    describe('a task that no machine can serve', () => {
      beforeEach(async () => {
        await machines.register(HERE, [
          aMachine('linux1'),
          aMachine('linux2', { tags: ['vip'], reserved: true }),
        ]);
      });

      test('fails and says why; one that a machine could serve waits, however busy that is', async () => {
        const [windows, named] = [await submit({ platform: 'windows' }), await submit({ machine: 'linux7' })];
        const [open, vip] = [await submit(), await submit({ tags: ['vip'] })];
        await machines.update('linux2', { locked: true, state: 'quarantined' });
        await repairOf(HERE).look(signal);
        expect(await tasks.find(windows)).toMatchObject({
          task: { status: 'failed_analysis', outcome: 'no_matching_machine', completedOn: expect.any(Date) },
          errors: [expect.stringMatching(/^no machine of this lab runs windows \[NO_MATCHING_MACHINE\] \w/)],
        });
        expect((await tasks.find(named))?.errors[0]).toContain('no machine of this lab is named "linux7"');
        expect(await queues.lanes.has([windows, named, open, vip])).toEqual([false, false, true, true]);
        expect((await queues.lanes.depths()).map(({ lane }) => lane).sort()).toEqual(['any', 'tags=vip']);
      });

      test('one that was delayed fails too, once it is due', async () => {
        const id = await submit({ platform: 'windows' });
        await queues.lanes.remove(id);
        await queues.enqueueAnalysis(await tasks.get(id), { delayMs: 1 });
        while ((await queues.place(id)).state !== 'waiting') await queues.lanes.take(() => false);
        await repairOf(HERE).look(signal);
        expect(await tasks.status(id)).toBe('failed_analysis');
      });

      test('waits as long as patience says: its machine may yet come', async () => {
        const id = await submit({ platform: 'windows' });
        await repairOf(HERE, { patience: 3600 }).look(signal);
        expect(await tasks.status(id)).toBe('pending');
        expect(await queues.lanes.has([id])).toEqual([true]);
      });

      test('one that is cancelled meanwhile stays cancelled, and leaves its lane', async () => {
        const id = await submit({ platform: 'windows' });
        await tasks.cancel(id, 'Cancelled');
        await repairOf(HERE).look(signal);
        expect((await tasks.find(id))?.errors).toEqual(['Cancelled']);
        expect(await queues.lanes.has([id])).toEqual([false]);
      });
    });

    test('a lab without any machine refuses nothing: its workers have yet to come', async () => {
      const id = await submit({ platform: 'windows' });
      await repairOf(HERE).look(signal);
      expect(await tasks.status(id)).toBe('pending');
    });

    test('who asks while it looks gets one more look, all together', async () => {
      const repair = repairOf(HERE);
      await Promise.all([1, 2, 3, 4].map(() => repair.look(signal)));
      expect(repaired).toHaveLength(1);
      const first = repair.look(signal);
      await new Promise(setImmediate); // it has begun
      await Promise.all([first, repair.look(signal), repair.look(signal)]);
      expect(repaired).toHaveLength(3);
      expect(said.filter((line) => line.startsWith('not reconciled'))).toEqual([]);
    });

    test('a database that is away is told of, and the next look repairs', async () => {
      const id = (await tasks.create(aSubmission(), null)).id; // its process ended before it was queued
      const repair = repairOf(HERE);
      jest.spyOn(workers, 'list').mockRejectedValueOnce(new Error('away'));
      await repair.look(signal);
      expect(said).toEqual(['not reconciled: away']);
      await repair.look(signal);
      expect(repaired).toEqual([{ enqueued: [id], takenBack: [], failed: [] }]);
    });
  });
});
