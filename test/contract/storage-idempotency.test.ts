import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { openDatabase } from '#storage/database.js';
import { doneBefore, once } from '#storage/idempotency.js';
import { insertTask } from '#storage/insert-task.js';
import { replaceTask } from '#storage/reschedule.js';
import { Tasks } from '#storage/tasks.js';
import { aSubmission } from '../support/task.js';
import { onEachDatabase } from '../support/databases.js';

onEachDatabase((fresh, kind) => {
  let connection: string;
  let db: DataSource;
  let tasks: Tasks;

  beforeEach(async () => {
    connection = await fresh();
    db = await openDatabase(connection);
    tasks = new Tasks(db);
  });
  afterEach(() => db.destroy());

  const mark = { scope: '', key: 'k', fingerprint: 'f' };
  const make = (one: DataSource) =>
    once(one, mark, (inside) => insertTask(inside, aSubmission(), { sampleId: null }));

  test('of many at once, also from two processes, one does the work and all have its answer', async () => {
    const other = await openDatabase(connection);
    try {
      const all = await Promise.all(Array.from({ length: 20 }, (_, n) => make(n % 2 === 0 ? db : other)));
      expect(all.filter((one) => one.kind === 'done')).toHaveLength(1);
      expect(new Set(all.map((one) => one.kind !== 'another request' && one.answer))).toEqual(new Set([1]));
      expect((await tasks.counts()).total).toBe(1);
    } finally {
      await other.destroy();
    }
  });

  test('it holds after a restart', async () => {
    await make(db);
    await db.destroy();
    db = await openDatabase(connection);
    expect(await make(db)).toEqual({ kind: 'repeated', answer: 1 });
  });

  test('work that fails leaves no trace: neither its task nor the key', async () => {
    const failing = once(db, mark, async (inside) => {
      await insertTask(inside, aSubmission(), { sampleId: null });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await tasks.counts()).total).toBe(0);
    expect(await make(db)).toMatchObject({ kind: 'done' });
  });

  test('while the first is at work, who only looks is told that nothing was done before', async () => {
    let looked: unknown;
    await once(db, mark, async () => {
      looked = await doneBefore(db, mark);
      return 1;
    });
    expect(looked).toBeNull();
    expect(await doneBefore(db, mark)).toEqual({ kind: 'repeated', answer: 1 });
  });

  test('of several that replace a task one wins', async () => {
    const task = await tasks.create(aSubmission(), null);
    const made = await Promise.all(Array.from({ length: 5 }, () => replaceTask(db, task, aSubmission())));
    expect(made.filter((id) => id !== null)).toHaveLength(1);
    expect(await tasks.status(task.id)).toBe('recovered');
    expect((await tasks.counts()).total).toBe(2);
  });

  test('its queries are answered from an index', async () => {
    if (kind !== 'sqlite') return; // PostgreSQL plans by the number of rows
    for (const query of [
      `SELECT * FROM idempotency WHERE scope = '' AND key = ''`,
      `DELETE FROM idempotency WHERE added_on < '2020'`,
      'SELECT id FROM tasks WHERE submit_id = 1 ORDER BY id',
    ]) {
      const plan = await db.query<{ detail: string }[]>(`EXPLAIN QUERY PLAN ${query}`);
      expect(plan.map(({ detail }) => detail).join('; ')).toMatch(/USING (COVERING )?INDEX/);
    }
  });
});
