import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { openDistDatabase } from '#distribution/database.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { DistState, DistSubmission } from '#distribution/task.js';
import { DistTasks } from '#distribution/tasks.js';
import { once } from '#storage/idempotency.js';
import { onEachDatabase } from '../support/databases.js';
import { addNode, aDistSubmission, bringDistTask, given, insertDistTask } from '../support/dist-task.js';

const JSON_REPORT = { format: 'json', size: 2, sha256: 'a'.repeat(64) };
const columns = (row: DistTaskRow): object => Object.fromEntries(Object.entries(row));

onEachDatabase((fresh) => {
  let db: DataSource;
  let other: DataSource;
  let tasks: DistTasks;
  let node: number;
  beforeEach(async () => {
    const connection = await fresh();
    [db, other] = [await openDistDatabase(connection, '/'), await openDistDatabase(connection, '/')];
    tasks = new DistTasks(db, { ageingMs: 1000 });
    node = (await addNode(db, 'one')).id;
  });
  afterEach(async () => {
    await db.destroy();
    await other.destroy();
  });

  const insert = (changes: Partial<DistSubmission> = {}, nodeId: number | null = null) =>
    insertDistTask(db, tasks, changes, nodeId);

  const bring = (task: DistTaskRow, to: DistState) => bringDistTask(tasks, task, { to, nodeId: node });
  const at = async (state: DistState, changes: Partial<DistSubmission> = {}) =>
    bring(await insert(changes), state);
  const removals = async () =>
    (await tasks.removals(node, 100)).map(({ remoteId, mark }) => ({ remoteId, mark }));

  test('what is stored is read as it was', async () => {
    const clock = new Date('2017-08-16T13:40:00Z');
    const asked = aDistSubmission({
      ...{ category: 'file', target: '\u202e.jpg', sha256: 'c'.repeat(64), package: 'exe', timeout: 60 },
      ...{ priority: 2, options: 'a=b', machine: null, platform: 'windows', arch: 'x64' },
      ...{ tags: ['b', 'a'], custom: 'c', owner: 'o', memory: true, enforceTimeout: true, clock },
    });
    const task = await insert(asked, node);
    expect(await tasks.find(task.id)).toEqual(task);
    expect(task).toMatchObject({ ...asked, state: 'pending', epoch: 0, pinned: true, nodeId: node });
    expect(task.mark).toMatch(/^dist:[0-9a-f]{32}$/);
    expect(task.rank).toBe(task.submittedOn.getTime() - 2000);
    expect(await tasks.find(99)).toBeNull();
  });

  test('a moved task is answered as it is now, and who holds an older one moves nothing', async () => {
    const task = await insert();
    const on = new Date('2024-01-01T09:00:00.123Z');
    const moved = await tasks.move(task, 'assigned', { nodeId: node });
    expect(moved).toEqual({ ...columns(task), state: 'assigned', nodeId: node, epoch: 1 });
    expect(await tasks.move(task, 'assigned', { nodeId: node })).toBeNull();
    const sent = await tasks.move(given(moved), 'sending', { attempts: 1, delegatedOn: on });
    expect(sent).toEqual({
      ...columns(given(moved)),
      state: 'sending',
      attempts: 1,
      delegatedOn: on,
      epoch: 2,
    });
    expect(await tasks.find(task.id)).toEqual(sent);
    expect(await tasks.fail(task, 'late', { clean: true })).toBe(false);
    expect(await tasks.giveUp(given(moved), 'late')).toBe(false);
    expect(await tasks.finish(given(moved), [])).toBe(false);
    expect(await tasks.find(task.id)).toEqual(sent);
    expect(await removals()).toEqual([]);
  });

  test('a step that the states do not have is not made', async () => {
    const task = await insert();
    expect(await tasks.move(task, 'fetching')).toBeNull();
    expect(await tasks.finish(task, [JSON_REPORT])).toBe(false);
    expect(await tasks.giveUp(task, 'it waits already')).toBe(false);
    expect(await tasks.reports(task.id)).toEqual([]);
  });

  test('of two who move a task at once one does, whatever they do with it', async () => {
    const elsewhere = new DistTasks(other, { ageingMs: 1000 });
    for (let n = 0; n < 10; n++) {
      const task = await at('fetching');
      const won = await Promise.all([
        tasks.finish(task, [JSON_REPORT]),
        elsewhere.finish(task, [JSON_REPORT]),
        tasks.fail(task, 'broken', { clean: true }),
        elsewhere.giveUp(task, 'slow'),
        elsewhere.move(task, 'processing').then((row) => row !== null),
      ]);
      expect(won.filter(Boolean)).toHaveLength(1);
      const expected = won[4] ? 0 : 1;
      expect((await removals()).filter(({ mark }) => mark === task.mark)).toHaveLength(expected);
    }
  });

  test('a finished task has its reports, and its copy on the node is to be deleted', async () => {
    const task = await at('fetching');
    expect(await tasks.finish(task, [JSON_REPORT, { ...JSON_REPORT, format: 'html' }])).toBe(true);
    expect(await tasks.find(task.id)).toMatchObject({ state: 'finished', completedOn: expect.any(Date) });
    expect((await tasks.reports(task.id)).map(({ format }) => format)).toEqual(['html', 'json']);
    expect(await removals()).toEqual([{ remoteId: task.remoteId, mark: task.mark }]);
    expect(await tasks.delete(task.id)).toBe('deleted');
    expect(await tasks.reports(task.id)).toEqual([]);
    expect(await removals()).toHaveLength(1);
    expect(await tasks.delete(task.id)).toBe('already');
    expect(await tasks.delete(99)).toBe('unknown');
  });

  test('a failed task keeps its copy on the node until somebody deletes it, unless that was wanted at once', async () => {
    const kept = await at('processing');
    expect(await tasks.fail(kept, 'failed_analysis', { clean: false })).toBe(true);
    expect(await tasks.find(kept.id)).toMatchObject({ state: 'failed', reason: 'failed_analysis' });
    expect(await removals()).toEqual([]);
    await tasks.delete(kept.id);
    expect(await removals()).toEqual([{ remoteId: kept.remoteId, mark: kept.mark }]);
    const gone = await at('fetching');
    expect(await tasks.fail(gone, 'no report', { clean: true, reports: [JSON_REPORT] })).toBe(true);
    expect(await tasks.reports(gone.id)).toHaveLength(1);
    await tasks.delete(gone.id);
    expect(await removals()).toHaveLength(2);
    const waiting = await insert();
    await tasks.fail(waiting, 'no such machine', { clean: false });
    await tasks.delete(waiting.id);
    expect(await removals()).toHaveLength(2);
  });

  test.each([
    ['pending', false, false],
    ['assigned', false, false],
    ['sending', true, false],
    ['processing', true, true],
    ['fetching', true, true],
  ] as const)(
    'a %s task that is deleted: is to be deleted on the node: %s, by its id there: %s',
    async (...[state, isThere, hasId]) => {
      const task = await at(state);
      expect(await tasks.delete(task.id)).toBe('deleted');
      const expected = { remoteId: hasId ? task.remoteId : null, mark: task.mark };
      expect(await removals()).toEqual(isThere ? [expected] : []);
    },
  );

  test('a task that is given up waits again, under a new mark; a pinned one for its node', async () => {
    const free = await at('processing');
    const pinned = await bring(await insert({}, node), 'sending');
    for (const task of [free, pinned]) expect(await tasks.giveUp(task, 'the node is gone')).toBe(true);
    const again = await tasks.find(free.id);
    expect(again).toMatchObject({
      state: 'pending',
      nodeId: null,
      remoteId: null,
      reason: 'the node is gone',
    });
    expect(again?.mark).not.toBe(free.mark);
    expect(await tasks.find(pinned.id)).toMatchObject({ state: 'pending', nodeId: node });
    expect(await removals()).toEqual([
      { remoteId: free.remoteId, mark: free.mark },
      { remoteId: null, mark: pinned.mark },
    ]);
    expect(await tasks.byRemote(node, given(free.remoteId))).toBeNull();
  });

  test('a task that its node certainly has not leaves nothing there to delete', async () => {
    const lost = await tasks.move(await at('processing'), 'pending', { reason: 'the node was wiped' });
    const unsent = await at('sending');
    const back = await tasks.move(unsent, 'pending');
    expect(lost).toMatchObject({ nodeId: null, remoteId: null, reason: 'the node was wiped' });
    expect(back).toMatchObject({ nodeId: null, mark: unsent.mark });
    expect(await removals()).toEqual([]);
  });

  test('a removal that does not work is tried again later and later', async () => {
    const task = await at('processing');
    await tasks.delete(task.id);
    expect(await tasks.nodesWithRemovals()).toEqual([node]);
    const [removal] = await tasks.removals(node, 1);
    const delays: number[] = [];
    for (let n = 0; n < 9; n++) {
      const before = Date.now();
      await tasks.postpone(given(removal).id, `refused ${n}`);
      const [row] = await db.query<{ due_on: string }[]>('SELECT due_on FROM dist_removals');
      delays.push(Math.floor((Date.parse(`${given(row).due_on.replace(' ', 'T')}Z`) - before) / 5000));
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 120, 120]);
    expect(await tasks.removals(node, 1)).toEqual([]);
    expect(await tasks.nodesWithRemovals()).toEqual([]);
    await db.query(`UPDATE dist_removals SET due_on = '2024-01-01 00:00:00.000'`);
    expect(await tasks.removals(node, 1)).toMatchObject([{ attempts: 9, lastError: 'refused 8' }]);
    await tasks.removed(given(removal).id);
    await tasks.postpone(given(removal).id, 'too late');
    expect(await db.query('SELECT * FROM dist_removals')).toEqual([]);
  });

  test('a request with an Idempotency-Key stores one task', async () => {
    const mark = { scope: '', key: 'k', fingerprint: 'f' };
    const submit = (on: DataSource) =>
      once(on, mark, async (inside) => (await tasks.insert(inside, aDistSubmission(), null)).id);
    const answers = await Promise.all([submit(db), submit(other), submit(db)]);
    expect(new Set(answers.map((answer) => 'answer' in answer && answer.answer)).size).toBe(1);
    expect(await tasks.list({})).toHaveLength(1);
  });

  test('a node that was removed takes no task any more', async () => {
    const free = await insert();
    await expect(insert({}, 99)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect(await tasks.move(free, 'assigned', { nodeId: 99 })).toBeNull();
    expect(await tasks.find(free.id)).toEqual(free);
    expect(await tasks.list({})).toHaveLength(1);
  });
});
