import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { HEARTBEAT_MS } from '#queue/liveness.js';
import { openDatabase } from '#storage/database.js';
import { Machines } from '#storage/machines.js';
import type { Claim } from '#storage/task-details.js';
import { Tasks } from '#storage/tasks.js';
import { Workers } from '#storage/workers.js';
import type { Dispatcher } from '../../apps/worker/dispatcher.js';
import { Presence } from '../../apps/worker/presence.js';
import { onEachDatabase } from '../support/databases.js';
import { aMachine } from '../support/machine.js';
import { aSubmission, ON } from '../support/task.js';

const WORKER = 'here/1/1/a';

onEachDatabase((fresh) => {
  describe('presence', () => {
    let db: DataSource;
    let tasks: Tasks;
    let workers: Workers;
    let machines: Machines;
    let now: number;
    /** What its dispatcher runs, and what that was told. */
    let runs: Claim[];
    let paused: string | null;
    let told: string[];
    let presence: Presence;

    beforeEach(async () => {
      db = await openDatabase(await fresh());
      [tasks, workers, machines] = [new Tasks(db), new Workers(db), new Machines(db)];
      now = 0;
      jest.spyOn(performance, 'now').mockImplementation(() => now);
      [runs, paused, told] = [[], null, []];
      const dispatcher = {
        get paused() {
          return paused;
        },
        runs: () => runs,
        lose: (lost: readonly Claim[]) => {
          runs = runs.filter((run) => !lost.includes(run));
          told.push(...lost.map(({ task, epoch }) => `lost ${task.id}/${epoch}`));
        },
        drain: () => void told.push('drain'),
      } satisfies Pick<Dispatcher, 'paused' | 'runs' | 'lose' | 'drain'>;
      const register = async (): Promise<void> => {
        told.push('registers');
        await workers.register({ id: WORKER, name: 'a', host: 'here', version: '1' });
      };
      presence = new Presence({
        ...{ worker: WORKER, workers, tasks, machines, register },
        dispatcher: dispatcher as unknown as Dispatcher,
        pool: {
          states: () =>
            ['linux1', 'linux2'].map((name) => ({
              ...{ machine: aMachine(name), manager: 'fake', state: 'free' as const, reason: null },
              ...{ since: new Date(), retryAt: null },
            })),
          setEnabled: (name, enabled) => void told.push(`${name} ${enabled ? 'in' : 'out'}`),
        },
        log: () => {},
      });
    });
    afterEach(async () => {
      jest.restoreAllMocks();
      await db.destroy();
    });

    const claim = async (): Promise<Claim> => {
      const { id } = await tasks.create(aSubmission(), null);
      const claimed = await tasks.runs.claim(id, WORKER, ON);
      if (claimed === null) throw new Error('not pending');
      return claimed;
    };
    const heard = (): readonly string[] => told.filter((what) => !/^linux/.test(what)).splice(0);

    test('a worker without a row registers, and then gives its sign of life and why it takes nothing', async () => {
      await presence.look();
      expect(heard()).toEqual(['registers']);
      const [before] = await workers.list();
      paused = 'its disk is full';
      await presence.look();
      const [after] = await workers.list();
      expect(heard()).toEqual(['registers']);
      expect(after).toMatchObject({ id: WORKER, paused: 'its disk is full', draining: false });
      expect(after?.startedOn).toEqual(before?.startedOn);
      expect(after?.heartbeatOn.getTime()).toBeGreaterThanOrEqual(before?.heartbeatOn.getTime() ?? Infinity);
    });

    test('one that was taken for gone registers again, and ends the runs that were taken away', async () => {
      await presence.look();
      const [kept, lost] = [await claim(), await claim()];
      runs = [kept, lost];
      await tasks.runs.end(lost.task.id, lost.epoch, { to: 'pending', outcome: 'worker_lost', avoid: [] });
      await workers.remove([WORKER]);
      await presence.look();
      expect(heard()).toEqual(['registers', 'registers', `lost ${lost.task.id}/1`]);
      expect(runs).toEqual([kept]);
      expect(await tasks.status(kept.task.id)).toBe('running');
    });

    test('a run ends when another run of the same task took its place, here too, and when it was cancelled', async () => {
      const [old, cancelled] = [await claim(), await claim()];
      const { id } = old.task;
      await tasks.runs.end(id, old.epoch, { to: 'pending', handedBack: true });
      const again = await tasks.runs.claim(id, WORKER, ON);
      if (again === null) throw new Error('not pending');
      await tasks.cancel(cancelled.task.id, 'Cancelled');
      runs = [old, again, cancelled];
      await presence.look();
      expect(runs).toEqual([again]);
      expect(heard()).toEqual(['registers', `lost ${id}/1`, `lost ${cancelled.task.id}/1`]);
    });

    test('a row of its own that nobody runs is given back, once it was so for a while', async () => {
      const { task, epoch } = await claim();
      await tasks.runs.end(task.id, epoch, { to: 'pending', outcome: 'capture_failed', avoid: ['linux9'] });
      await tasks.runs.claim(task.id, WORKER, ON); // and its answer was lost
      await presence.look();
      now += HEARTBEAT_MS - 1;
      await presence.look();
      expect(await tasks.status(task.id)).toBe('running');
      now += 1;
      await presence.look();
      expect(await tasks.find(task.id)).toMatchObject({
        task: { status: 'pending', outcome: 'worker_lost' },
        lease: { worker: null, attempt: 2, avoid: ['linux9'] },
      });
    });

    test('one that was just claimed is not, nor is one whose run is told meanwhile', async () => {
      const claimed = await claim();
      await presence.look();
      runs = [claimed]; // its answer came
      now += HEARTBEAT_MS;
      await presence.look();
      runs = []; // it ended, and its row is about to say so
      await presence.look();
      now += HEARTBEAT_MS - 1;
      await presence.look();
      expect(await tasks.status(claimed.task.id)).toBe('running');
    });

    test('it follows what an operator wants: machines in and out, a drain', async () => {
      await machines.register(WORKER, [aMachine('linux1'), aMachine('linux2')]);
      await machines.setEnabled('linux2', false);
      await presence.look();
      expect(told).toEqual(['registers', 'linux1 in', 'linux2 out']);
      await machines.setEnabled('linux2', true);
      expect(await workers.drain('nobody')).toBe(false);
      expect(await workers.drain('a')).toBe(true);
      told = [];
      await presence.look();
      expect(told).toEqual(['linux1 in', 'linux2 in', 'drain']);
    });

    test('whoever asks while it looks gets another look, and all of them an answer', async () => {
      await presence.look();
      const beat = jest.spyOn(workers, 'beat');
      await Promise.all([presence.look(), presence.look(), presence.look()]);
      expect(beat).toHaveBeenCalledTimes(2);
    });

    test('a database that is away is told of, and the next look is as good as any', async () => {
      await presence.look();
      const beat = jest.spyOn(workers, 'beat').mockRejectedValueOnce(new Error('away'));
      await presence.look();
      await presence.look();
      expect(beat).toHaveBeenCalledTimes(2);
      expect(heard()).toEqual(['registers']);
    });
  });
});
