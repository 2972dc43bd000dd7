import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { analysisQueue, openWorker } from '#queue/queues.js';
import { workerId } from '#queue/worker-id.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, drive, submit, viewTask } from '../support/api-client.js';

let api: TestApi;
const LANE = analysisQueue('default');

const cancel = async (id: number | string) => ask(api, `/tasks/cancel/${id}`, { method: 'POST' });
const explain = async (id: number, by = api) =>
  (await ask(by, `/tasks/explain/${id}`)).body as unknown as Record<string, unknown>;

const machine = (name: string, tags: readonly string[] = []) =>
  ({
    name,
    label: name,
    platform: 'linux',
    tags,
    ip: '10.0.2.15',
    resultServer: { ip: '10.0.2.2', port: 2042 },
    arch: 'x64',
    reserved: false,
    snapshot: null,
  }) as const;

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(5);
}

describe('POST /tasks/cancel/<id>', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('a pending task leaves the queue and has failed, with an error that says why', async () => {
    const id = await submit(api, 'p', 'p');
    expect(await api.context.queues.states(LANE, [id])).toEqual(['present']);
    expect(await cancel(id)).toMatchObject({ status: 200, body: { status: 'OK' } });
    const task = await viewTask(api, id);
    expect(task).toMatchObject({
      status: 'failed_analysis',
      errors: [expect.stringContaining('[CANCELLED]')],
    });
    expect(await api.context.queues.states(LANE, [id])).toEqual(['none']);
    expect(await api.context.tasks.claim(id, 'w')).toBeNull();
  });

  test('a running task has failed, and nothing its worker does makes it end another way', async () => {
    const { tasks } = api.context;
    const id = await submit(api, 'r', 'r');
    const epoch = (await tasks.claim(id, 'w'))?.epoch ?? 0;
    expect((await cancel(id)).status).toBe(200);
    expect(await tasks.holds(id, epoch)).toBe(false);
    expect(await tasks.heartbeat('w', [id])).toEqual(new Map());
    expect(await tasks.move(id, 'running', 'completed', { epoch })).toBe(false);
    expect(await tasks.handBack(id, epoch)).toBe(false);
    expect((await viewTask(api, id)).status).toBe('failed_analysis');
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

  test('while a worker still holds what was cancelled it cannot be deleted, afterwards it can', async () => {
    const id = await submit(api, 'h', 'h');
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const worker = openWorker(LANE, api.context.queues.redis, async (job) => {
      if (job.data.taskId === id) await held;
    });
    await until(
      async () => (await api.context.queues.place(await api.context.tasks.get(id))).state === 'taken',
    );
    expect((await cancel(id)).status).toBe(200);
    expect(await ask(api, `/tasks/delete/${id}`)).toMatchObject({
      status: 500,
      body: { message: 'The task is currently being processed, cannot delete' },
    });
    letGo();
    await until(async () => (await ask(api, `/tasks/delete/${id}`)).status === 200);
    await worker.close();
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
    });
    await machines.register('nowhere/1/1', [machine('old')]);
    await machines.register(workerId(), [machine('g1'), machine('g2')]);
    await machines.update('g1', { locked: true });
    expect(await explain(windows)).toMatchObject({
      reason: 'no_matching_machine',
      machines: { matching: 0, free: 0 },
    });
    expect(await explain(second)).toMatchObject({
      status: 'pending',
      reason: 'ahead_in_lane',
      message: '1 task is ahead of it in its lane.',
      lane: 'default',
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

    await drive(api, urgent, 'running');
    const begun = (await tasks.get(urgent)).startedOn?.getTime() ?? 0;
    await tasks.move(urgent, 'running', 'completed', { completedOn: new Date(begun + 30_000) });
    expect(await explain(urgent)).toMatchObject({ reason: 'processing', ahead: null, estimate: null });
    for (const name of ['g1', 'g2', 'old']) await machines.update(name, { locked: true });
    const { estimate } = await explain(second);
    // Three tasks before it, for the job of the urgent one is still there; three machines of half a minute each.
    expect(estimate).toEqual({ start_in_seconds: 30 });
  });

  test('running, ended, unknown', async () => {
    const id = await submit(api, 'x', 'x');
    await drive(api, id, 'running');
    const on = { label: 'g1', manager: 'qemu', startedOn: new Date(), shutdownOn: null } as const;
    await api.context.tasks.putGuest(id, { ...on, name: 'guest7', status: 'running' });
    expect(await explain(id)).toMatchObject({ reason: 'running', message: 'It runs on guest7.' });
    await drive(api, id, 'failed_analysis');
    expect(await explain(id)).toMatchObject({ reason: 'ended', lane: null, position: null });
    expect((await ask(api, '/tasks/explain/424242')).status).toBe(404);
    expect((await ask(api, '/tasks/explain/x')).status).toBe(404);
  });

  test('a job that is lost, and one that could not begin and is tried again', async () => {
    const { queues, tasks } = api.context;
    const lost = await submit(api, 'l', 'l');
    await queues.remove(lost);
    expect(await explain(lost)).toMatchObject({ reason: 'not_queued', ahead: null });
    const again = await submit(api, 'm', 'm', { priority: '99' });
    const worker = openWorker(LANE, queues.redis, async () => {
      throw new Error('no machine starts');
    });
    await until(async () => (await queues.place(await tasks.get(again))).state === 'delayed');
    await worker.close();
    expect(await explain(again)).toMatchObject({ reason: 'retrying' });
  });

  test('a full disk, and a Redis that is away', async () => {
    await using full = await startApi();
    const id = await submit(full, 'f', 'f');
    await full.context.machines.register(workerId(), [machine('g1')]);
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
