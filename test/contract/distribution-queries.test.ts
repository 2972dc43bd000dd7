import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { openDistDatabase } from '#distribution/database.js';
import { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { DistState, DistSubmission } from '#distribution/task.js';
import { DistTasks } from '#distribution/tasks.js';
import { onEachDatabase } from '../support/databases.js';
import { addNode, bringDistTask, given, insertDistTask } from '../support/dist-task.js';

onEachDatabase((fresh) => {
  let db: DataSource;
  let tasks: DistTasks;
  let node: number;
  beforeEach(async () => {
    db = await openDistDatabase(await fresh(), '/');
    tasks = new DistTasks(db, { ageingMs: 1000 });
    node = (await addNode(db, 'one')).id;
  });
  afterEach(async () => {
    await db.destroy();
  });

  const insert = (changes: Partial<DistSubmission> = {}, nodeId: number | null = null) =>
    insertDistTask(db, tasks, changes, nodeId);

  const bring = (task: DistTaskRow, to: DistState) => bringDistTask(tasks, task, { to, nodeId: node });
  const at = async (state: DistState, changes: Partial<DistSubmission> = {}) =>
    bring(await insert(changes), state);

  test('lanes hold tasks that any of the same machines may run, and a long wait makes up for priority', async () => {
    const windows = { platform: 'windows', tags: ['b', 'a'] };
    const early = await insert(windows);
    const urgent = await insert({ ...windows, priority: 9 });
    const same = await insert({ ...windows, tags: ['a', 'b'] });
    const named = [await insert({ machine: 'm1' }), await insert({ ...windows, machine: 'm1' })];
    const pinned = await insert(windows, node);
    const taken = await at('assigned', windows);
    const long = Array.from({ length: 100 }, (_, n) => `${n}`.padStart(255, 't'));
    await insert({ tags: long });
    const lanes = new Map((await tasks.lanes()).map(({ lane, waiting }) => [lane, waiting]));
    expect([...lanes.values()].toSorted()).toEqual([1, 1, 2, 3]);
    expect(lanes.get(early.lane)).toBe(3);
    const ids = async (lane: string, limit = 10) => (await tasks.heads(lane, limit)).map(({ id }) => id);
    expect(await ids(early.lane)).toEqual([urgent.id, early.id, same.id]);
    expect(await ids(early.lane, 1)).toEqual([urgent.id]);
    expect(await ids(given(named[0]).lane)).toEqual(named.map(({ id }) => id));
    expect(await ids(pinned.lane)).toEqual([pinned.id]);
    expect(taken.lane).toBe(early.lane);
    // 8 steps of priority are worth 8 s of waiting here.
    await db.query(`UPDATE dist_tasks SET rank = rank - 8500 WHERE id = ${same.id}`);
    expect((await ids(early.lane))[0]).toBe(same.id);
  });

  test('lists filter by what 2.0.7 filters by', async () => {
    const waiting = await insert({ owner: 'ann' });
    const pinned = await insert({ priority: 2 }, node);
    const sending = await at('sending');
    const fetching = await at('fetching');
    const finished = await at('fetching', { owner: 'ann' });
    await tasks.finish(finished, []);
    const failed = await insert({ owner: 'ann', priority: 2 });
    await tasks.fail(failed, 'x', { clean: true });
    const ids = async (query: Parameters<DistTasks['list']>[0]) =>
      (await tasks.list(query)).map(({ id }) => id);
    const all = [waiting, pinned, sending, fetching, finished, failed].map(({ id }) => id);
    expect(await ids({})).toEqual(all);
    expect(await ids({ limit: 2, offset: 1 })).toEqual(all.slice(1, 3));
    expect(await ids({ after: pinned.id, limit: 2 })).toEqual([sending.id, fetching.id]);
    expect(await ids({ status: 'pending' })).toEqual([waiting.id]);
    expect(await ids({ status: 'assigned' })).toEqual([pinned.id, sending.id]);
    expect(await ids({ status: 'assigned', limit: 1, offset: 1 })).toEqual([sending.id]);
    expect(await ids({ status: 'processing' })).toEqual([fetching.id]);
    expect(await ids({ finished: true })).toEqual([finished.id]);
    expect(await ids({ finished: false })).toEqual(all.slice(0, 4));
    expect(await ids({ owner: 'ann' })).toEqual([waiting.id, finished.id, failed.id]);
    expect(await ids({ owner: 'ann', status: 'failed', priority: 2 })).toEqual([failed.id]);
    expect(await ids({ priority: 2 })).toEqual([pinned.id, failed.id]);
    expect(await ids({ limit: 0 })).toEqual([]);
  });

  test('what is on nodes is found and counted by node', async () => {
    const two = (await addNode(db, 'two')).id;
    const [a, b] = [await at('sending'), await at('processing')];
    const c = await tasks.move(await insert(), 'assigned', { nodeId: two });
    await tasks.finish(await at('fetching'), []);
    expect(await tasks.load()).toEqual(
      new Map([
        [node, { assigned: 0, sending: 1, processing: 1, fetching: 0 }],
        [two, { assigned: 1, sending: 0, processing: 0, fetching: 0 }],
      ]),
    );
    await insert({ platform: 'linux' }, two);
    await insert({}, two);
    expect(await tasks.waitingFor()).toEqual(new Map([[two, 2]]));
    expect(await tasks.onNode(node, ['sending', 'processing'])).toEqual([a, b]);
    expect(await tasks.onNode(node, ['sending', 'processing'], 1)).toEqual([a]);
    expect(await tasks.onNode(two, ['assigned'])).toEqual([c]);
    expect(await tasks.inState(['assigned', 'sending', 'processing'], a.id, 1)).toEqual([b]);
    expect(await tasks.inState(['assigned', 'sending', 'processing'], a.id, 9)).toEqual([b, c]);
    expect(await tasks.byRemote(node, given(b.remoteId))).toEqual(b);
    expect(await tasks.byRemote(two, given(b.remoteId))).toBeNull();
  });

  test('a file is needed until the last of its tasks has ended', async () => {
    const sha256 = 'd'.repeat(64);
    const [first, second] = [await insert({ sha256 }), await insert({ sha256 })];
    await tasks.delete(first.id);
    const inUse = async () => [...(await tasks.samplesInUse(['e'.repeat(64), sha256]))];
    expect(await inUse()).toEqual([sha256]);
    expect(await tasks.notDeleted([first.id, second.id, 99])).toEqual(new Set([second.id]));
    await tasks.fail(second, 'x', { clean: true });
    expect(await inUse()).toEqual([]);
    expect(await tasks.samplesInUse([])).toEqual(new Set());
  });

  test('what ended before a date has expired, but not what was deleted', async () => {
    const rows = [await at('fetching'), await insert(), await insert(), await insert()];
    await tasks.finish(given(rows[0]), []);
    for (const row of rows.slice(1, 3)) await tasks.fail(row, 'x', { clean: true });
    await tasks.delete(given(rows[2]).id);
    const expired = async (ms: number) =>
      (await tasks.expired(new Date(Date.now() + ms), 10)).map(({ id }) => id);
    expect(await expired(-60_000)).toEqual([]);
    expect(await expired(60_000)).toEqual([given(rows[0]).id, given(rows[1]).id]);
  });

  test('tasks are counted by status, priority and day', async () => {
    await insert({ priority: 2 });
    await insert({ priority: 7 }, node);
    await tasks.finish(await at('fetching'), []);
    await insert();
    const none = { pending: 0, assigned: 0, processing: 0, finished: 0, failed: 0, deleted: 0 };
    expect(await tasks.counts()).toEqual({ ...none, pending: 2, assigned: 1, finished: 1 });
    const { all, prio1, prio2, today1, today2 } = await tasks.countsOf(new Date(Date.now() - 60_000));
    expect(all).toEqual(await tasks.counts());
    expect(prio1).toEqual({ ...none, pending: 1, finished: 1 });
    expect(prio2).toEqual({ ...none, pending: 1 });
    expect([today1, today2]).toEqual([prio1, prio2]);
    const { today } = await tasks.countsOf(new Date('2030-01-01'));
    expect(today).toEqual(none);
  });

  test('today begins at the midnight that was asked for, wherever in the day of UTC that is', async () => {
    const row = await insert({ priority: 2 });
    const add = async (...dates: readonly string[]) => {
      for (const date of dates) {
        const copy: Partial<DistTaskRow> = Object.assign({}, row, {
          ...{ submittedOn: new Date(date), mark: `m ${date}` },
        });
        delete copy.id;
        await db.manager.insert(DistTaskRow, copy);
      }
    };
    const midnight = new Date('2040-05-06T22:00Z');
    await add('2040-05-06T00:00Z', '2040-05-06T12:00Z', '2040-05-06T21:59:59.999Z'); // yesterday
    await add('2040-05-06T22:00Z', '2040-05-06T23:59:59.999Z', '2040-05-07T00:00Z', '2040-05-07T12:00Z');
    const { all, today, today1, today2 } = await tasks.countsOf(midnight);
    expect([all.pending, today.pending, today1.pending, today2.pending]).toEqual([8, 4, 0, 4]);
    expect((await tasks.countsOf(new Date('2040-05-07T00:00Z'))).today.pending).toBe(2);
  });
});
