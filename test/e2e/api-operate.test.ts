import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Machine, MachineState } from '#domain/machine.js';
import type { Letter } from '#queue/mail.js';
import { WorkerRow } from '#storage/entities/worker.entity.js';
import { VERSION } from '../../apps/version.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, submit } from '../support/api-client.js';

const machine = (name: string, changes: Partial<Machine> = {}): Machine => ({
  ...{ name, label: name, platform: 'linux', arch: 'x64', tags: [], reserved: false },
  ...{ ip: '10.0.2.15', resultServer: { ip: '10.0.2.2', port: 2042 }, snapshot: null },
  ...changes,
});

const LAB = 'lab/1/1';
const OTHER = 'other/1/1';

type Json = Readonly<Record<string, unknown>>;
type Named = Json & { readonly name: string };

describe('what operators see and do', () => {
  let api: TestApi;
  const get = async (path: string) => (await ask(api, path)).body as unknown as Json;
  const post = async (path: string) => ask(api, path, { method: 'POST' });
  const state = async (name: string) => (await get(`/machines/state/${name}`))['machine'] as Json;
  const letters = async (worker: string): Promise<Letter[]> => {
    const box = `malkoha:mail:${worker}`;
    const { redis } = api.context.queues;
    const found = (await redis.lpop(box, 100)) ?? [];
    return found.map((letter) => JSON.parse(letter) as Letter);
  };
  const set = (name: string, to: MachineState, reason: string | null = null) =>
    api.context.machines.update(name, { state: to, reason, locked: to === 'leased', status: to });

  beforeAll(async () => {
    api = await startApi();
    const { machines, workers } = api.context;
    await workers.register({ id: LAB, name: 'lab', host: 'lab', version: VERSION });
    await workers.register({ id: OTHER, name: 'second', host: 'other', version: '0.0.1' });
    await machines.register(LAB, [machine('m1'), machine('m2', { tags: ['office'], reserved: true })]);
    await machines.register(OTHER, [machine('w1', { platform: 'windows' })]);
    for (const name of ['m1', 'm2', 'w1']) await set(name, 'ready');
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('each machine with its state, its task and its worker; Cuckoo’s list keeps its keys', async () => {
    const id = await submit(api, 'a', 'a');
    expect((await api.context.queues.lanes.take(() => true))?.id).toBe(id);
    await api.context.tasks.runs.claim(id, LAB, { name: 'm1', label: 'm1', manager: 'qemu' });
    await set('m1', 'leased');
    await set('w1', 'quarantined', 'it did not start');
    const { machines } = (await get('/machines/states')) as { machines: readonly Named[] };
    expect(machines.map(({ name, state, task_id, reason }) => [name, state, task_id, reason])).toEqual([
      ['m1', 'leased', id, null],
      ['m2', 'ready', null, null],
      ['w1', 'quarantined', null, 'it did not start'],
    ]);
    expect(machines[1]).toMatchObject({
      ...{ arch: 'x64', tags: ['office'], reserved: true, enabled: true },
      ...{ since: expect.stringMatching(/^\d{4}-.*Z$/), next_test: null },
      worker: { id: LAB, name: 'lab', host: 'lab' },
    });
    const { machines: cuckoos } = (await get('/machines/list')) as { machines: readonly Json[] };
    expect(Object.keys(cuckoos[0] ?? {})).not.toContain('state');
  });

  test('one machine with its last error and what waits for it', async () => {
    await api.context.notes.failed('m2', 'its agent did not answer');
    await submit(api, 'b', 'b', { tags: 'office' });
    await submit(api, 'c', 'c', { platform: 'windows' });
    expect(await state('m2')).toMatchObject({
      last_error: { reason: 'its agent did not answer', at: expect.any(String) },
      waiting: [{ lane: 'tags=office', waiting: 1, oldest_seconds: expect.any(Number) }],
    });
    expect(await state('w1')).toMatchObject({
      last_error: null,
      waiting: [{ lane: 'platform=windows', waiting: 1, oldest_seconds: expect.any(Number) }],
    });
    for (const name of ['none', '%00', 'm1%2F'])
      expect((await ask(api, `/machines/state/${name}`)).status).toBe(404);
  });

  test('disabling is kept in SQL, and its worker gets a letter', async () => {
    await letters(LAB);
    expect((await post('/machines/disable/m2')).body).toEqual({ status: 'OK' });
    expect(await api.context.machines.disabled(LAB)).toEqual(['m2']);
    expect(await letters(LAB)).toEqual([{ kind: 'machines' }]);
    expect(await state('m2')).toMatchObject({ enabled: false });
    expect((await post('/machines/enable/m2')).body).toEqual({ status: 'OK' });
    expect(await api.context.machines.disabled(LAB)).toEqual([]);
    expect((await post('/machines/disable/none')).status).toBe(404);
    expect((await ask(api, '/machines/disable/m2')).status).toBe(405); // state changes are POST only
    const foreign = { method: 'POST', headers: { origin: 'http://evil.test' } };
    expect((await ask(api, '/machines/disable/m2', foreign)).status).toBe(403);
    expect(await api.context.machines.disabled(LAB)).toEqual([]);
  });

  test('a test is asked for by letter, and its result comes back to whoever waits', async () => {
    await letters(LAB);
    const waiting = post('/machines/test/m1?wait=60');
    let letter: Letter | undefined;
    while (letter === undefined) [letter] = await letters(LAB);
    if (letter.kind !== 'test') throw new Error(`a letter about ${letter.kind}`);
    expect(letter.machine).toBe('m1');
    const phases = { restore: 60, start: 3 };
    const failed = { phase: 'agent' as const, reason: 'no answer' };
    await api.context.notes.answer(letter.answer, { phases, failed });
    const { test: done } = (await waiting).body as unknown as { test: Json };
    expect(done).toMatchObject({ id: letter.answer, machine: 'm1', result: { ok: false, phases, failed } });
    expect(await get(`/machines/tests/${letter.answer}`)).toEqual({ test: done });
    const { test: asked } = (await post('/machines/test/m1')).body as unknown as { test: Json };
    expect(asked).toMatchObject({ machine: 'm1', result: null });
    expect((await ask(api, '/machines/tests/none')).status).toBe(404);
  });

  test('workers with their machines, their version and why they pause', async () => {
    await api.context.workers.beat(LAB, '10 MB are free on its disk');
    const { version, workers } = (await get('/workers/list')) as {
      version: string;
      workers: readonly Json[];
    };
    expect(version).toBe(VERSION);
    expect(workers).toMatchObject([
      {
        ...{ id: LAB, name: 'lab', same_version: true, alive: true, draining: false },
        ...{ paused: '10 MB are free on its disk', silent_seconds: expect.any(Number) },
        machines: { ready: 1, free: 0, leased: 1, restoring: 0, quarantined: 0, disabled: 0 },
      },
      { id: OTHER, name: 'second', host: 'other', version: '0.0.1', same_version: false },
    ]);
  });

  test('all of it in one answer', async () => {
    expect(await get('/scheduler/status')).toMatchObject({
      tasks: { pending: 2, running: 1, failed_analysis: 0, total: 3 },
      machines: { ready: 1, leased: 1, quarantined: 1 },
      quarantined: [{ name: 'w1', reason: 'it did not start' }],
      workers: [{ name: 'lab' }, { name: 'second' }],
      lanes: expect.arrayContaining([
        { lane: 'tags=office', waiting: 1, oldest_seconds: expect.any(Number) },
        { lane: 'platform=windows', waiting: 1, oldest_seconds: expect.any(Number) },
      ]),
      processing: { waiting: 0, active: 0 },
    });
  });

  test('draining a worker tells its processes; one that has gone leaves its machines without a worker', async () => {
    await letters(OTHER);
    expect((await post('/workers/drain/second')).body).toEqual({ status: 'OK', workers: [OTHER] });
    expect(await letters(OTHER)).toEqual([{ kind: 'machines' }]);
    expect(await api.context.workers.beat(OTHER, null)).toMatchObject({ draining: true });
    expect((await post('/workers/drain/none')).status).toBe(404);
    // As it ends by itself:
    await api.context.machines.abandon(OTHER, 'its worker has ended');
    await api.context.workers.remove([OTHER]);
    expect(await state('w1')).toMatchObject({
      state: 'disabled',
      reason: 'its worker has ended',
      worker: null,
    });
    expect(await post('/machines/test/w1')).toMatchObject({
      status: 409,
      body: { message: 'The machine cannot be tested: its worker has ended' },
    });
  });

  test('a worker that has been silent for long is not alive, and its machines are not there', async () => {
    const heartbeatOn = new Date(Date.now() - 3_600_000);
    await api.context.db.manager.update(WorkerRow, { id: LAB }, { heartbeatOn });
    const { workers } = (await get('/workers/list')) as { workers: readonly Json[] };
    expect(workers).toMatchObject([{ id: LAB, alive: false }]);
    expect(await state('m1')).toMatchObject({ state: 'disabled', worker: null });
    await api.context.workers.beat(LAB, null);
  });

  test('without Redis everything is shown that SQL knows, and machines are disabled all the same', async () => {
    await using alone = await startApi();
    await alone.context.workers.register({ id: LAB, name: 'lab', host: 'lab', version: VERSION });
    await alone.context.machines.register(LAB, [machine('m1')]);
    await alone.redis[Symbol.asyncDispose]();
    while (alone.context.queues.redis.status === 'ready') await new Promise(setImmediate);
    const { machine: shown } = (await ask(alone, '/machines/state/m1')).body;
    expect(shown).toMatchObject({ state: 'restoring', last_error: null, waiting: null });
    const status = (await ask(alone, '/scheduler/status')).body;
    expect(status).toMatchObject({ lanes: null, processing: null, workers: [{ name: 'lab' }] });
    expect((await ask(alone, '/machines/disable/m1', { method: 'POST' })).status).toBe(200);
    expect((await ask(alone, '/workers/drain/lab', { method: 'POST' })).status).toBe(200);
    expect((await ask(alone, '/machines/test/m1', { method: 'POST' })).status).toBe(503);
  });
});

test('operators need the scope admin; who may read sees it all', async () => {
  await using api = await startApi('[tokens]\nsee = read 0123456789abcdef\nadd = submit 0123456789abcdeg\n');
  const as = async (method: string, path: string, token: string) =>
    (await ask(api, path, { method, headers: { authorization: `Bearer 0123456789abcde${token}` } })).status;
  for (const path of ['/machines/states', '/workers/list', '/scheduler/status', '/tasks/failed'])
    expect(await as('GET', path, 'f')).toBe(200);
  for (const path of ['/machines/disable/m', '/machines/enable/m', '/machines/test/m', '/workers/drain/l'])
    for (const token of ['f', 'g']) expect(await as('POST', path, token)).toBe(403);
  expect(await as('POST', '/tasks/retry/1', 'f')).toBe(403);
  expect(await as('POST', '/tasks/retry/1', 'g')).toBe(404);
});

test('a task that no machine serves: the worker that repairs is told at once', async () => {
  await using api = await startApi();
  const { machines, queues } = api.context;
  await machines.register(LAB, [machine('m1')]);
  await queues.redis.set('malkoha:reconciler', LAB);
  const box = `malkoha:mail:${LAB}`;
  const worker = queues.redis.duplicate();
  const served = await submit(api, 'ok', 'ok', { platform: 'linux' });
  expect(await worker.llen(box)).toBe(0);
  const refused = await submit(api, 'no', 'no', { platform: 'windows' });
  expect(await worker.blpop(box, 30)).toEqual([box, '{"kind":"lanes"}']);
  expect((await api.context.tasks.find(refused))?.errors).toEqual([
    'No machine matches what the task asks for',
  ]);
  worker.disconnect();
  expect((await api.context.tasks.find(served))?.errors).toEqual([]);
  // A machine that has just come counts at once.
  await machines.register(OTHER, [machine('w1', { platform: 'windows' })]);
  const now = await submit(api, 'now', 'now', { platform: 'windows' });
  expect((await api.context.tasks.find(now))?.errors).toEqual([]);
});
