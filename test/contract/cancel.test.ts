import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import { openDatabase } from '#storage/database.js';
import type { RunEnding } from '#storage/runs.js';
import { Tasks } from '#storage/tasks.js';
import { onEachDatabase } from '../support/databases.js';
import { aSubmission, ON } from '../support/task.js';

/** Where a task stands, as the rules say: what each step must answer follows from it. */
interface Model {
  status: TaskStatus;
  epoch: number;
}

/** What the processes do to one task. `epoch` is the run they believe in: the latest, or one before. */
type Step =
  | { readonly do: 'claim' | 'cancel' | 'report' | 'fail processing' }
  | { readonly do: 'complete' | 'fail' | 'hand back' | 'take back'; readonly stale: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('claim', 'cancel', 'report', 'fail processing') }),
  fc.record({ do: fc.constantFrom('complete', 'fail', 'hand back', 'take back'), stale: fc.boolean() }),
);

const ENDING = {
  complete: { to: 'completed', outcome: 'completed', route: 'inetsim' },
  fail: { to: 'failed_analysis', outcome: 'guest_lost' },
  'hand back': { to: 'pending', handedBack: true },
  'take back': { to: 'pending', outcome: 'worker_lost', avoid: ['linux1'] },
} as const satisfies Record<string, RunEnding>;

/** The rules: what the step makes of the task, or null when it must be refused. */
function next(now: Model, what: Step): Model | null {
  switch (what.do) {
    case 'claim':
      return now.status === 'pending' ? { status: 'running', epoch: now.epoch + 1 } : null;
    case 'cancel':
      return now.status === 'pending' || now.status === 'running'
        ? { ...now, status: 'failed_analysis' }
        : null;
    case 'report':
      return now.status === 'completed' ? { ...now, status: 'reported' } : null;
    case 'fail processing':
      return now.status === 'completed' ? { ...now, status: 'failed_processing' } : null;
    case 'complete':
    case 'fail':
    case 'hand back':
    case 'take back':
      return now.status === 'running' && !what.stale ? { ...now, status: ENDING[what.do].to } : null;
  }
}

async function act(tasks: Tasks, id: number, what: Step, epoch: number): Promise<boolean> {
  switch (what.do) {
    case 'claim':
      return (await tasks.runs.claim(id, 'w', ON)) !== null;
    case 'cancel':
      return (await tasks.cancel(id, 'Cancelled [CANCELLED]')) !== null;
    case 'report':
      return tasks.move(id, 'completed', 'reported');
    case 'fail processing':
      return tasks.move(id, 'completed', 'failed_processing');
    case 'complete':
    case 'fail':
    case 'hand back':
    case 'take back':
      return tasks.runs.end(id, what.stale ? epoch - 1 : epoch, ENDING[what.do]);
  }
}

onEachDatabase((fresh) => {
  let dbs: DataSource[];
  let changes: [number, TaskStatus | 'deleted'][];
  /** Two processes. */
  let both: [Tasks, Tasks];

  beforeEach(async () => {
    const connection = await fresh();
    dbs = [await openDatabase(connection), await openDatabase(connection)];
    changes = [];
    both = dbs.map((db) => new Tasks(db, (task, status) => changes.push([task, status]))) as [Tasks, Tasks];
  });
  afterEach(async () => {
    for (const db of dbs) await db.destroy();
  });

  const changesOf = (id: number) => changes.filter(([task]) => task === id).map(([, status]) => status);

  test('in any order of what two processes do, each step is won or refused as the rules say', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.tuple(step, fc.boolean()), { maxLength: 12 }),
      async (steps) => {
        const { id } = await both[0].create(aSubmission(), null);
        let now: Model = { status: 'pending', epoch: 0 };
        const expected: TaskStatus[] = ['pending'];
        for (const [what, other] of steps) {
          const then = next(now, what);
          expect({ what, won: await act(both[other ? 1 : 0], id, what, now.epoch) }).toEqual({
            what,
            won: then !== null,
          });
          if (then !== null) expected.push(then.status);
          now = then ?? now;
          expect(await both[0].status(id)).toBe(now.status);
        }
        expect(changesOf(id)).toEqual(expected);
        expect(expected.filter((status) => TERMINAL.includes(status)).length).toBeLessThanOrEqual(1);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  }, 60_000);

  test('all at once: one of cancel, finish, failure and taking back wins, and nothing follows a cancel', async () => {
    const racers = fc.shuffledSubarray(
      ['cancel', 'complete', 'fail', 'hand back', 'take back', 'cancel', 'claim'] as const,
      { minLength: 2 },
    );
    const property = fc.asyncProperty(racers, fc.boolean(), async (all, running) => {
      const { id } = await both[0].create(aSubmission(), null);
      const epoch = running ? ((await both[0].runs.claim(id, 'w', ON))?.epoch ?? 0) : 0;
      const wins = await Promise.all(
        all.map((what, index) => act(both[index % 2 === 0 ? 0 : 1], id, { do: what, stale: false }, epoch)),
      );
      const cancels = all.filter((what, index) => what === 'cancel' && wins[index]);
      expect(cancels.length).toBeLessThanOrEqual(1);
      // A report that a processing worker still writes comes to nothing.
      await both[1].move(id, 'completed', 'reported');
      const status = await both[0].status(id);
      const history = changesOf(id);
      expect(history.filter((one) => TERMINAL.includes(one as TaskStatus)).length).toBeLessThanOrEqual(1);
      if (cancels.length === 1) {
        expect({ status, errors: (await both[0].find(id))?.errors }).toEqual({
          status: 'failed_analysis',
          errors: ['Cancelled [CANCELLED]'],
        });
      }
    });
    await fc.assert(property, { numRuns: 60 });
  }, 60_000);

  test('a cancelled task shows when it ended, and that its machine is about to be free, then is', async () => {
    const [tasks] = both;
    const { id } = await tasks.create(aSubmission(), null);
    await tasks.runs.claim(id, 'w', ON);
    expect(await tasks.cancel(id, 'Cancelled')).toEqual({ worker: 'w' });
    expect(await tasks.find(id)).toMatchObject({
      task: { status: 'failed_analysis', outcome: 'cancelled', completedOn: expect.any(Date) },
      guest: { status: 'stopping', shutdownOn: null },
    });
    await tasks.runs.stopped(id);
    expect((await tasks.find(id))?.guest).toMatchObject({ status: 'stopped', shutdownOn: expect.any(Date) });
    expect(await tasks.cancel(id, 'Cancelled')).toBeNull();
    expect(await tasks.cancel(424242, 'Cancelled')).toBeNull();
    const waiting = await tasks.create(aSubmission(), null);
    expect(await tasks.cancel(waiting.id, 'Cancelled')).toEqual({ worker: null });
  });
});
