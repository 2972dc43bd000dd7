import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import type { OutcomeCode } from '#domain/outcome.js';
import { openDatabase } from '#storage/database.js';
import { TaskRow } from '#storage/entities/task.entity.js';
import { failedTasks, type FailedFilter } from '#storage/failed-tasks.js';
import { tasksOnMachines } from '#storage/running-tasks.js';
import type { ListPlace } from '#storage/task-details.js';
import { Tasks } from '#storage/tasks.js';
import { onEachDatabase } from '../support/databases.js';
import { aSubmission } from '../support/task.js';

const ON = { name: 'm1', label: 'm1', manager: 'fake' };

onEachDatabase((fresh) => {
  let db: DataSource;
  let tasks: Tasks;
  beforeEach(async () => {
    db = await openDatabase(await fresh());
    tasks = new Tasks(db);
  });
  afterEach(async () => {
    await db.destroy();
  });

  /** Ended at that second; null: nobody wrote down when. */
  async function failed(status: TaskRow['status'], outcome: OutcomeCode | null, second: number | null) {
    const { id } = await tasks.create(aSubmission(), null);
    const completedOn = second === null ? null : new Date(Date.UTC(2026, 0, 1, 0, 0, second));
    await db.manager.update(TaskRow, { id }, { status, outcome, completedOn });
    return id;
  }

  async function all(filter: FailedFilter, order: 'newest first' | 'oldest first', limit: number) {
    const ids: number[] = [];
    let after: ListPlace | null = null;
    do {
      const page = await failedTasks(db, filter, { limit, order, after });
      ids.push(...page.tasks.map(({ task }) => task.id));
      after = page.next;
    } while (after !== null);
    return ids;
  }

  test('pages of any size give each failed task once, in either order, and no other', async () => {
    const a = await failed('failed_analysis', 'vm_start_failed', 5);
    const b = await failed('failed_reporting', 'reporting_failed', 3);
    const c = await failed('failed_processing', 'processing_failed', 5);
    const d = await failed('failed_analysis', 'cancelled', 9);
    const e = await failed('failed_analysis', null, null);
    const f = await failed('failed_analysis', null, null);
    await failed('reported', 'completed', 4);
    await failed('pending', null, null);
    const newest = [d, c, a, b, f, e];
    for (const limit of [1, 2, 3, 6, 100]) {
      expect(await all({}, 'newest first', limit)).toEqual(newest);
      expect(await all({}, 'oldest first', limit)).toEqual(newest.toReversed());
    }
    expect(await all({ outcome: 'vm_start_failed' }, 'newest first', 2)).toEqual([a]);
    expect(await all({ notOutcome: 'cancelled' }, 'newest first', 2)).toEqual([c, a, b, f, e]);
    expect(await all({ since: new Date(Date.UTC(2026, 0, 1, 0, 0, 3)) }, 'newest first', 2)).toEqual([
      d,
      c,
      a,
    ]);
  });

  test('which task a machine runs, and how often it was begun', async () => {
    const { id } = await tasks.create(aSubmission(), null);
    expect(await tasksOnMachines(db)).toEqual(new Map());
    const claim = await tasks.runs.claim(id, 'w', ON);
    expect(await tasksOnMachines(db)).toEqual(new Map([['m1', id]]));
    await tasks.runs.end(id, claim?.epoch ?? 0, { to: 'failed_analysis', outcome: 'guest_lost' });
    expect(await tasksOnMachines(db)).toEqual(new Map());
    const [found] = (await failedTasks(db, {}, { limit: 1, order: 'newest first', after: null })).tasks;
    expect(found).toMatchObject({
      guest: { name: 'm1' },
      lease: { attempt: 1 },
      task: { outcome: 'guest_lost' },
    });
  });
});
