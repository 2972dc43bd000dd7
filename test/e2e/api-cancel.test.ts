import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { workerId } from '#queue/worker-id.js';
import { Workers } from '#storage/workers.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, drive, submit, viewTask } from '../support/api-client.js';
import { aMachine } from '../support/machine.js';
import { ON, queued } from '../support/task.js';

let api: TestApi;

const cancel = async (id: number | string) => ask(api, `/tasks/cancel/${id}`, { method: 'POST' });
const explain = async (id: number, by = api) =>
  (await ask(by, `/tasks/explain/${id}`)).body as unknown as Record<string, unknown>;

describe('POST /tasks/cancel/<id>', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('a pending task leaves the queue and has failed, with an error that says why', async () => {
    const id = await submit(api, 'p', 'p');
    expect(await api.context.queues.lanes.has([id])).toEqual([true]);
    expect(await cancel(id)).toMatchObject({ status: 200, body: { status: 'OK' } });
    const task = await viewTask(api, id);
    expect(task).toMatchObject({
      status: 'failed_analysis',
      errors: [expect.stringContaining('[CANCELLED]')],
    });
    expect(await api.context.queues.lanes.has([id])).toEqual([false]);
    expect(await api.context.tasks.runs.claim(id, 'w', ON)).toBeNull();
  });

  test('a running task has failed, and nothing its worker does makes it end another way', async () => {
    const { runs } = api.context.tasks;
    const id = await submit(api, 'r', 'r');
    const epoch = (await runs.claim(id, 'w', ON))?.epoch ?? 0;
    expect((await cancel(id)).status).toBe(200);
    expect((await runs.of('w')).has(id)).toBe(false);
    expect(await runs.end(id, epoch, { to: 'completed', outcome: 'completed', route: 'none' })).toBe(false);
    expect(await runs.end(id, epoch, { to: 'pending', handedBack: true })).toBe(false);
    expect((await viewTask(api, id)).status).toBe('failed_analysis');
  });

  test('the worker that runs it gets a letter', async () => {
    const id = await submit(api, 'm', 'm');
    await api.context.tasks.runs.claim(id, 'host/1/1', ON);
    expect((await cancel(id)).status).toBe(200);
    const letters = await api.context.queues.redis.lrange('malkoha:mail:host/1/1', 0, -1);
    expect(letters.map((letter) => JSON.parse(letter) as unknown)).toEqual([{ kind: 'tasks' }]);
  });

  test('one whose analysis is done, or that has ended, is refused with a sentence; one that is not there is a 404', async () => {
    const id = await submit(api, 'e', 'e');
    await drive(api, id, 'running', 'completed');
    expect(await cancel(id)).toMatchObject({
      status: 409,
      body: { message: 'The analysis is done; only its report is still to be written' },
    });
    await drive(api, id, 'reported');
    const ended = { status: 409, body: { message: 'The task has already ended: it is reported' } };
    expect(await cancel(id)).toMatchObject(ended);
    expect(await cancel(`[${id}]/`)).toMatchObject(ended);
    expect(await cancel(424242)).toMatchObject({ status: 404, body: { message: 'Task not found' } });
    for (const bad of ['x', '-1', '1e3', '%00']) expect((await cancel(bad)).status).toBe(404);
    expect((await ask(api, `/tasks/cancel/${id}`)).status).toBe(405);
    const foreign = { method: 'POST', headers: { origin: 'http://evil.test' } };
    expect((await ask(api, `/tasks/cancel/${id}`, foreign)).status).toBe(403);
  });

  test('while a worker still has to stop what was cancelled it cannot be deleted, afterwards it can', async () => {
    const { db, tasks } = api.context;
    const workers = new Workers(db);
    await workers.register({ id: 'host/1/1', name: 'host', host: 'host', version: '1' });
    const [stopped, lost] = [await submit(api, 'h', 'h'), await submit(api, 'i', 'i')];
    for (const id of [stopped, lost]) {
      await tasks.runs.claim(id, 'host/1/1', ON);
      expect((await cancel(id)).status).toBe(200);
      expect(await ask(api, `/tasks/delete/${id}`)).toMatchObject({
        status: 500,
        body: { message: 'The task is currently being processed, cannot delete' },
      });
    }
    await tasks.runs.stopped(stopped);
    expect((await ask(api, `/tasks/delete/${stopped}`)).status).toBe(200);
    await workers.remove(['host/1/1']); // it will never say so
    expect((await ask(api, `/tasks/delete/${lost}`)).status).toBe(200);
  });
});

describe('GET /tasks/explain/<id>', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('what a pending task waits for, from no machine at all to its turn', async () => {
    const { machines, tasks } = api.context;
    const first = await submit(api, 'a', 'a');
    const second = await submit(api, 'b', 'b');
    const windows = await submit(api, 'c', 'c', { platform: 'windows' });
    expect(await explain(first)).toEqual({
      task_id: first,
      status: 'pending',
      reason: 'no_machine',
      message: 'There is no machine: no worker is running.',
      lane: null,
      ahead: null,
      position: null,
      machines: { matching: 0, free: 0 },
      estimate: null,
      outcome: null,
      attempts: 0,
      last_error: null,
    });
    await machines.register('nowhere/1/1', [aMachine('old')]);
    await machines.register(workerId('here'), [aMachine('g1'), aMachine('g2')]);
    await machines.update('g1', { state: 'leased' });
    await machines.update('g2', { state: 'ready' });
    expect(await explain(windows)).toMatchObject({
      reason: 'no_matching_machine',
      machines: { matching: 0, free: 0 },
    });
    expect(await explain(second)).toMatchObject({
      status: 'pending',
      reason: 'ahead_in_lane',
      message: '1 task is ahead of it in its lane.',
      lane: 'any',
      ahead: 1,
      position: 2,
    });
    expect(await explain(first)).toMatchObject({
      reason: 'waiting_for_machine',
      ahead: 0,
      position: 1,
      estimate: { start_in_seconds: 0 },
    });
    // A larger priority goes first, whoever came first.
    const urgent = await submit(api, 'd', 'd', { priority: '9' });
    expect([(await explain(urgent))['position'], (await explain(first))['position']]).toEqual([1, 2]);

    // A worker takes it out of its lane, and runs it.
    expect((await api.context.queues.lanes.take(() => true))?.id).toBe(urgent);
    await drive(api, urgent, 'running');
    const begun = (await tasks.get(urgent)).startedOn?.getTime() ?? 0;
    await tasks.move(urgent, 'running', 'completed', { completedOn: new Date(begun + 30_000) });
    expect(await explain(urgent)).toMatchObject({ reason: 'processing', ahead: null, estimate: null });
    for (const name of ['g1', 'g2', 'old']) await machines.update(name, { state: 'leased' });
    const { estimate } = await explain(second);
    // One task is before it; three machines of half a minute each.
    expect(estimate).toEqual({ start_in_seconds: 20 });
  });

  test('running, ended, unknown', async () => {
    const id = await submit(api, 'x', 'x');
    await drive(api, id, 'running');
    expect(await explain(id)).toMatchObject({ reason: 'running', message: `It runs on ${ON.name}.` });
    await drive(api, id, 'failed_analysis');
    expect(await explain(id)).toMatchObject({ reason: 'ended', lane: null, position: null });
    expect((await ask(api, '/tasks/explain/424242')).status).toBe(404);
    expect((await ask(api, '/tasks/explain/x')).status).toBe(404);
  });

  test('a job that is lost, and one that could not begin and is tried again', async () => {
    const { queues } = api.context;
    const lost = await submit(api, 'l', 'l');
    await queues.remove(lost);
    expect(await explain(lost)).toMatchObject({ reason: 'not_queued', ahead: null });
    const again = await submit(api, 'm', 'm', { priority: '99' });
    await queues.remove(again);
    await queues.enqueueAnalysis(queued({ id: again }), { delayMs: 60_000 });
    expect(await explain(again)).toMatchObject({ reason: 'retrying' });
  });

  test('a full disk, and a Redis that is away', async () => {
    await using full = await startApi();
    const id = await submit(full, 'f', 'f');
    await full.context.machines.register(workerId('here'), [aMachine('g1')]);
    Object.assign(full.context, {
      settings: {
        ...full.context.settings,
        cuckoo: { ...full.context.settings.cuckoo, freespace: 999_999_999 },
      },
    });
    expect(await explain(id, full)).toMatchObject({
      reason: 'disk_full',
      message: expect.stringContaining('freespace in cuckoo.conf'),
    });
    await full.redis[Symbol.asyncDispose]();
    expect(await explain(id, full)).toMatchObject({ reason: 'queue_unavailable', position: null });
  });
});
