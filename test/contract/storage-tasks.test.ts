import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import type { Sample, Submission } from '#domain/task.js';
import { openDatabase } from '#storage/database.js';
import { findSample, tasksOfSample } from '#storage/samples.js';
import type { ListPlace, TaskFilter } from '#storage/task-details.js';
import { Tasks } from '#storage/tasks.js';
import { aSubmission, ON } from '../support/task.js';
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

  afterEach(async () => {
    await db.destroy();
  });

  const submission = aSubmission({ category: 'file', target: 'invoice.sh' });
  const sample: Omit<Sample, 'id'> = {
    fileSize: 5_000_000_000,
    fileType: 'data',
    md5: 'd'.repeat(32),
    crc32: 'ABCDEF01',
    sha1: 'e'.repeat(40),
    sha256: 'a'.repeat(64),
    sha512: 'f'.repeat(128),
    ssdeep: null,
  };

  async function ids(filter: TaskFilter, page?: { limit?: number; offset?: number }): Promise<number[]> {
    const found: number[] = [];
    for await (const { task } of tasks.list(filter, page)) found.push(task.id);
    return found;
  }

  test('a stored task comes back as it was given', async () => {
    const clock = new Date('2012-12-19T14:18:25.000Z');
    const full: Submission = {
      ...submission,
      package: 'sh',
      timeout: 60,
      priority: 3,
      custom: 'c',
      owner: 'o',
      machine: 'm',
      platform: 'linux',
      tags: ['x64', 'office', 'x64'],
      options: 'a=1,b=2',
      memory: true,
      enforceTimeout: true,
      clock,
    };
    const task = await tasks.create(full, sample);
    expect(task).toMatchObject({ ...full, tags: ['x64', 'office'], id: 1, status: 'pending', sample });
    expect(task.memory).toBe(true);
    expect(task.clock).toEqual(clock);
    expect(task.startedOn).toBeNull();
    expect(await tasks.get(1)).toEqual(task);
  });

  test('equal content is one sample, also when submitted at the same time', async () => {
    const created = await Promise.all(Array.from({ length: 8 }, () => tasks.create(submission, sample)));
    // PostgreSQL uses up an id for each insert that lost the race, so the one sample need not be number 1.
    const id = created[0]?.sample?.id ?? 0;
    expect(new Set(created.map((task) => task.sample?.id))).toEqual(new Set([id]));
    expect(created.map((task) => task.id).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await tasksOfSample(db, id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await findSample(db, { sha256: sample.sha256 })).toEqual({ id, ...sample });
    expect(await findSample(db, { md5: 'nothing' })).toBeNull();
  });

  test('an id is never given twice, not even after the newest task was deleted', async () => {
    await tasks.create(submission, null);
    const second = await tasks.create({ ...submission, tags: ['t'] }, null);
    await tasks.addError(second.id, 'x', 'went wrong');
    expect(await tasks.delete(second.id, ['running'])).toBe(false);
    expect(await tasks.delete(second.id, ['pending'])).toBe(true);
    expect(await tasks.find(second.id)).toBeNull();
    expect((await tasks.create(submission, null)).id).toBe(3);
  });

  test('of many workers that claim a task one wins', async () => {
    const { id } = await tasks.create(submission, null);
    const claims = await Promise.all(Array.from({ length: 10 }, (_, n) => tasks.runs.claim(id, `w${n}`, ON)));
    const won = claims.filter((claim) => claim !== null);
    expect(won).toHaveLength(1);
    expect(won[0]).toMatchObject({ attempt: 1, epoch: 1, task: { id, status: 'running' } });
  });

  test('a worker that lost its task cannot end the run of the next one', async () => {
    const { id } = await tasks.create(submission, null);
    const first = await tasks.runs.claim(id, 'w1', ON);
    expect(await tasks.move(id, 'running', 'pending')).toBe(true);
    const second = await tasks.runs.claim(id, 'w2', ON);
    const [old = 0, now = 0] = [first?.epoch, second?.epoch];
    const completed = { to: 'completed', outcome: 'timed_out', route: 'inetsim' } as const;
    expect(await tasks.runs.end(id, old, completed)).toBe(false);
    expect(await tasks.runs.end(id, old, { to: 'pending', handedBack: true })).toBe(false);
    expect([...(await tasks.runs.of('w1'))]).toEqual([]);
    expect([...(await tasks.runs.of('w2'))]).toEqual([[id, now]]);
    const errors = [
      { action: 'CAPTURE_FAILED', message: 'no dump' },
      { action: 'INTERNAL', message: 'nor that' },
    ];
    expect(await tasks.runs.end(id, now, { ...completed, errors })).toBe(true);
    expect(await tasks.find(id)).toMatchObject({
      task: { status: 'completed', outcome: 'timed_out', route: 'inetsim', completedOn: expect.any(Date) },
      errors: ['no dump', 'nor that'],
    });
    expect([...(await tasks.runs.of('w2'))]).toEqual([]);
  });

  test('a run handed back does not count, one taken back does', async () => {
    const { id } = await tasks.create(submission, null);
    const first = await tasks.runs.claim(id, 'w', ON);
    expect(await tasks.runs.end(id, first?.epoch ?? 0, { to: 'pending', handedBack: true })).toBe(true);
    expect(await tasks.get(id)).toMatchObject({ status: 'pending', startedOn: null });
    expect(await tasks.runs.claim(id, 'w', ON)).toMatchObject({ attempt: 1, epoch: 2 });
    await tasks.move(id, 'running', 'pending');
    expect(await tasks.runs.claim(id, 'w', ON)).toMatchObject({ attempt: 2, epoch: 3 });
  });

  test('a move that the states do not allow is a mistake of the program', async () => {
    const { id } = await tasks.create(submission, null);
    await expect(tasks.move(id, 'pending', 'reported')).rejects.toThrow(
      'never goes from pending to reported',
    );
  });

  test('lists unfinished tasks first, then by completion, and filters', async () => {
    for (let n = 0; n < 4; n += 1) await tasks.create({ ...submission, owner: n < 2 ? 'ann' : null }, sample);
    const times = new Map([
      [1, new Date('2020-01-02T00:00:00Z')],
      [3, new Date('2020-01-01T00:00:00Z')],
    ]);
    for (const [id, completedOn] of times) {
      await tasks.runs.claim(id, 'w', ON);
      await tasks.move(id, 'running', 'completed', { completedOn });
    }
    expect(await ids({})).toEqual([2, 4, 3, 1]);
    expect(await ids({}, { limit: 2, offset: 1 })).toEqual([4, 3]);
    expect(await ids({}, { limit: 0 })).toEqual([]);
    expect(await ids({}, { offset: 9 })).toEqual([]);
    expect(await ids({ status: 'completed' })).toEqual([3, 1]);
    expect(await ids({ status: 'no such status' })).toEqual([]);
    expect(await ids({ owner: 'ann' })).toEqual([2, 1]);
    expect(await ids({ sampleId: 1 })).toEqual([2, 4, 3, 1]);
    expect(await ids({ completedAfter: new Date('2020-01-01T00:00:00Z') })).toEqual([1]);
    const paged: number[][] = [];
    for (let after: ListPlace | null = null; ;) {
      const page = await tasks.page({}, { limit: 1, after });
      paged.push(page.tasks.map(({ task }) => task.id));
      after = page.next;
      if (after === null) break;
    }
    expect(paged).toEqual([[2], [4], [3], [1], []]);
    expect((await tasks.page({ status: 'pending' }, { limit: 3 })).next).toBeNull();
    expect(await tasks.counts()).toMatchObject({ pending: 2, completed: 2, running: 0, total: 4 });
  });

  test('a task shows its guest and its errors', async () => {
    const { id } = await tasks.create(submission, null);
    const claim = await tasks.runs.claim(id, 'w', { ...ON, name: 'g2' });
    await tasks.runs.end(id, claim?.epoch ?? 0, { to: 'pending', handedBack: true });
    await tasks.addError(id, 'MACHINE_START_FAILED', 'first');
    await tasks.addError(id, null, 'x'.repeat(1_000_000));
    const found = await tasks.find(id);
    expect(found?.guest).toMatchObject({ name: 'g2', status: 'stopped', shutdownOn: expect.any(Date) });
    expect(found?.errors.map((message) => message.length)).toEqual([5, 16_384]);
  });

  test('a second process on the same database sees everything and adds to it', async () => {
    const other = await openDatabase(connection);
    try {
      const theirs = new Tasks(other);
      const both = [tasks, theirs, tasks, theirs, tasks, theirs];
      const made = await Promise.all(
        both.map((one) => one.create({ ...submission, tags: ['a', 'b'] }, sample)),
      );
      expect(made.map((task) => task.id).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(await theirs.runs.claim(1, 'w', ON)).not.toBeNull();
      expect(await tasks.runs.claim(1, 'w', ON)).toBeNull();
    } finally {
      await other.destroy();
    }
  });

  test('every query of the API is answered from an index', async () => {
    const plans = [
      'SELECT id FROM tasks ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10',
      `SELECT id FROM tasks WHERE status = 'running' ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10`,
      `SELECT id FROM tasks WHERE owner = 'ann' ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10`,
      `SELECT id FROM tasks WHERE completed_on > '2020' ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10`,
      `SELECT id FROM tasks WHERE completed_on IS NULL AND id > 7 ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10`,
      `SELECT id FROM tasks WHERE completed_on IS NOT NULL ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10`,
      `SELECT id FROM tasks WHERE (completed_on, id) > ('2020', 7) ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10`,
      `SELECT id FROM tasks WHERE status = 'reported' AND (completed_on, id) > ('2020', 7) ORDER BY completed_on ASC NULLS FIRST, id LIMIT 10`,
      `SELECT id FROM tasks WHERE status = 'pending' AND id > 7 ORDER BY id LIMIT 10`,
      'SELECT id FROM tasks WHERE sample_id = 3 ORDER BY id',
      'SELECT * FROM errors WHERE task_id IN (1, 2)',
      'SELECT * FROM guests WHERE task_id IN (1, 2)',
      `SELECT * FROM samples WHERE md5 = ''`,
      `SELECT * FROM samples WHERE sha1 = ''`,
      `SELECT * FROM samples WHERE sha256 = ''`,
      `SELECT * FROM machines WHERE name = ''`,
    ];
    for (const query of plans) {
      const plan = await explain(query);
      expect(`${query}: ${plan}`).toMatch(
        /USING (COVERING )?INDEX|USING INTEGER PRIMARY KEY|Index (Only )?Scan/,
      );
      expect(`${query}: ${plan}`).not.toMatch(/TEMP B-TREE|Sort/);
    }
  });

  test('the counts take no more room with every connection there ever was', async () => {
    for (let n = 0; n < 4; n++) {
      const other = await openDatabase(connection);
      const { id } = await new Tasks(other).create(aSubmission(), null);
      await new Tasks(other).move(id, 'pending', 'failed_analysis');
      await other.destroy();
    }
    expect(await tasks.counts()).toMatchObject({ pending: 0, failed_analysis: 4, total: 4 });
    expect(await db.query('SELECT status FROM task_counts ORDER BY status')).toEqual([
      { status: 'failed_analysis' },
      { status: 'pending' },
    ]);
  });

  test('an error may quote anything, also what PostgreSQL has no text for', async () => {
    const { id } = await tasks.create(aSubmission(), null);
    await tasks.addError(id, null, 'the agent said "a\0b"');
    expect((await tasks.find(id))?.errors).toEqual(['the agent said "a\ufffdb"']);
  });

  test('the counts follow every task through every change', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => tasks.create(submission, null)));
    const [first = 0, second = 0, third = 0] = made.map((task) => task.id);
    await tasks.runs.claim(first, 'w', ON);
    await tasks.runs.claim(second, 'w', ON);
    await tasks.move(second, 'running', 'completed');
    await tasks.delete(third, ['pending']);
    await db
      .transaction(async (rolledBack) => {
        await rolledBack.query(`UPDATE tasks SET status = 'reported'`);
        throw new Error('undo');
      })
      .catch(() => {}); // the error is ours, to undo it
    expect(await tasks.counts()).toEqual({
      pending: 3,
      running: 1,
      completed: 1,
      reported: 0,
      recovered: 0,
      failed_analysis: 0,
      failed_processing: 0,
      failed_reporting: 0,
      total: 5,
    });
  });

  /** What the planner would do with a large table: PostgreSQL reads a small one whole, so that is forbidden here. */
  async function explain(query: string): Promise<string> {
    if (kind === 'sqlite') {
      const steps = await db.query<{ detail: string }[]>(`EXPLAIN QUERY PLAN ${query}`);
      return steps.map((step) => step.detail).join('; ');
    }
    return db.transaction(async (session) => {
      await session.query('SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off');
      const steps = await session.query<{ 'QUERY PLAN': string }[]>(`EXPLAIN ${query}`);
      return steps.map((step) => step['QUERY PLAN']).join('; ');
    });
  }
});
