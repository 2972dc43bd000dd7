import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { form } from '../support/api-client.js';
import { startScriptedNode, type ScriptedNode } from '../support/scripted-node/start.js';
import { messages, take } from '../support/sse.js';
import { until } from '../support/until.js';

const SAMPLE = { name: 'a.sh', content: '#!/bin/sh\necho hello\n' };
const MARK = 'dist:0123456789abcdef0123456789abcdef';

interface Seen {
  readonly status: number;
  readonly body: unknown;
}

async function ask(base: string, path: string, init?: RequestInit): Promise<Seen> {
  const answer = await fetch(new URL(path, base), init);
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') ?? false;
  return { status: answer.status, body: isJson ? JSON.parse(text) : text };
}

async function create(base: string, fields: Record<string, string>, init: RequestInit = {}): Promise<Seen> {
  return ask(base, 'tasks/create/file', { ...init, method: 'POST', body: form(fields, SAMPLE) });
}

/** What clients can tell apart: statuses, keys, and the kinds of values. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  const keys = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(keys.map(([key, inner]) => [key, shape(inner)]));
}

async function withNode(
  options: Parameters<typeof startScriptedNode>[0],
  work: (node: ScriptedNode) => Promise<void>,
): Promise<void> {
  await using node = await startScriptedNode(options);
  await work(node);
}

const settled = (node: ScriptedNode) =>
  until(() => node.tasks.every(({ status }) => !/^(pending|running|completed)$/.test(status)));

describe('beside the real API', () => {
  let api: TestApi;
  let node: ScriptedNode;
  let cuckoo: ScriptedNode;
  beforeAll(async () => {
    api = await startApi();
    // Without machines nothing runs: its tasks stay pending, as those of an API without workers.
    node = await startScriptedNode({ dialect: 'malkoha', machines: [] });
    cuckoo = await startScriptedNode({ dialect: 'cuckoo', machines: [] });
    for (const base of [`${api.url}/`, node.url, cuckoo.url]) {
      await create(base, { owner: MARK, custom: 'case 7', timeout: '5', options: 'a=b', platform: 'linux' });
      await ask(base, 'tasks/create/url', { method: 'POST', body: form({ url: 'http://a.example/' }) });
    }
  });
  afterAll(async () => {
    await node[Symbol.asyncDispose]();
    await cuckoo[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  test.each([
    'tasks/view/1',
    'tasks/view/2',
    'tasks/view/99',
    `tasks/list?owner=${MARK}`,
    'tasks/list?owner=nobody',
    'tasks/list/1/1',
    'tasks/list?status=reported',
    'tasks/report/1',
    'tasks/report/1/nonsense',
    'tasks/report/99',
    'pcap/get/1',
    'tasks/delete/99',
  ])('GET %s is answered in the same shape', async (path) => {
    const real = await ask(`${api.url}/`, path);
    const [malkoha, old] = await Promise.all([ask(node.url, path), ask(cuckoo.url, path)]);
    expect(malkoha.status).toBe(real.status);
    expect(shape(malkoha.body)).toEqual(shape(real.body));
    expect(old.status).toBe(real.status);
  });

  test('cuckoo/status has every key that schedulers read, of the same type', async () => {
    const real = shape((await ask(`${api.url}/`, 'cuckoo/status')).body) as Record<string, unknown>;
    for (const { url } of [node, cuckoo]) {
      const seen = shape((await ask(url, 'cuckoo/status')).body) as Record<string, unknown>;
      expect(real).toMatchObject({ machines: seen['machines'], tasks: seen['tasks'] });
      expect(Object.keys(real)).toEqual(expect.arrayContaining(Object.keys(seen)));
    }
  });

  test('a submission that comes again with its key is the same task, another one with it is refused', async () => {
    const headers = { 'idempotency-key': MARK };
    for (const base of [`${api.url}/`, node.url]) {
      const first = await create(base, { timeout: '7' }, { headers });
      expect(first.body).toEqual({ task_id: 3, task_ids: [3] });
      expect(await create(base, { timeout: '7' }, { headers })).toEqual(first);
      expect((await create(base, { timeout: '8' }, { headers })).status).toBe(422);
    }
  });

  test('cancel, delete, and cancel of what has ended', async () => {
    for (const base of [`${api.url}/`, node.url]) {
      const cancel = () => ask(base, 'tasks/cancel/1', { method: 'POST' });
      expect(await cancel()).toEqual({ status: 200, body: { status: 'OK' } });
      expect((await ask(base, 'tasks/view/1')).body).toMatchObject({ task: { status: 'failed_analysis' } });
      expect(await cancel()).toEqual({
        status: 409,
        body: { message: 'The task has already ended: it is failed_analysis' },
      });
      expect(await ask(base, 'tasks/delete/1')).toEqual({ status: 200, body: { status: 'OK' } });
      expect((await ask(base, 'tasks/view/1')).status).toBe(404);
    }
  });

  test('events of both streams have the same shape and resume after an id', async () => {
    for (const base of [`${api.url}/`, node.url]) {
      const leave = new AbortController();
      const open = (after?: string) =>
        fetch(new URL('tasks/events', base), {
          signal: leave.signal,
          headers: after === undefined ? {} : { 'last-event-id': after },
        });
      const stream = messages(await open());
      await create(base, { owner: 'events' });
      const [first] = await take(stream, 1);
      expect(first).toMatchObject({ event: 'status', data: { kind: 'status', status: 'pending' } });
      await create(base, { owner: 'events' });
      const [second] = await take(stream, 1);
      expect(await take(messages(await open(first?.id ?? '')), 1)).toEqual([second]);
      expect((await ask(base, 'tasks/events', { headers: { 'last-event-id': 'x' } })).status).toBe(400);
      leave.abort();
    }
  });
});

describe('the analyses of a scripted node', () => {
  test('a task runs on a machine that serves it, and its reports can be had', () =>
    withNode(
      {
        dialect: 'cuckoo',
        machines: [{ platform: 'linux' }, { name: 'win', platform: 'windows', tags: ['office'] }],
        reportBytes: 10_000,
      },
      async (node) => {
        await create(node.url, { owner: MARK, platform: 'windows', tags: 'office' });
        await create(node.url, { platform: 'darwin' });
        await until(() => node.tasks[0]?.status === 'reported');
        expect(node.tasks[0]?.ranOn?.name).toBe('win');
        expect(node.tasks[1]?.status).toBe('pending');
        expect([...node.started]).toEqual([[MARK, 1]]);
        const report = await ask(node.url, 'tasks/report/1/json');
        expect(report.body).toMatchObject({
          info: { id: 1, owner: MARK },
          target: { file: { name: 'a.sh' } },
        });
        expect(JSON.stringify(report.body)).toHaveLength(10_000);
        expect((await ask(node.url, 'tasks/report/1/html')).body).toContain('a.sh');
        expect((await ask(node.url, 'pcap/get/1')).status).toBe(200);
        expect((await ask(node.url, 'cuckoo/status')).body).toMatchObject({
          machines: { total: 2, available: 2 },
          tasks: { reported: 1, pending: 1, running: 0, total: 2 },
        });
      },
    ));

  test('a machine runs one task at a time, the more important one first; what runs cannot be deleted', () =>
    withNode({ dialect: 'malkoha', machines: [{}], runMs: 60_000 }, async (node) => {
      for (const priority of ['1', '1', '3']) await create(node.url, { priority });
      expect(node.tasks.map(({ status }) => status)).toEqual(['running', 'pending', 'pending']);
      expect((await ask(node.url, 'tasks/delete/1')).status).toBe(500);
      for (const id of [1, 3]) await ask(node.url, `tasks/cancel/${id}`, { method: 'POST' });
      expect(node.runs.map(({ id }) => id)).toEqual([1, 3, 2]);
    }));

  test('a wiped node begins anew with id 1, and still knows what it ran', () =>
    withNode({ dialect: 'cuckoo', runMs: 60_000 }, async (node) => {
      await create(node.url, { owner: MARK });
      await until(() => node.started.get(MARK) === 1);
      node.wipe();
      expect(node.tasks).toEqual([]);
      expect((await create(node.url, { owner: MARK })).body).toEqual({ task_id: 1 });
      expect(node.started.get(MARK)).toBe(2);
    }));

  test('stopped or crashed it refuses connections; started again it has the same port and tasks', () =>
    withNode({ dialect: 'malkoha', runMs: 60_000 }, async (node) => {
      await create(node.url, {});
      for (const end of [() => node.stop(), () => node.crash()]) {
        node.knobs.hang = ['view'];
        const hanging = ask(node.url, 'tasks/view/1');
        await until(() => node.asked.get('view') !== undefined);
        await Promise.all([expect(hanging).rejects.toThrow(), end()]);
        await expect(ask(node.url, 'tasks/view/1')).rejects.toThrow();
        await node.start();
        node.knobs.hang = [];
        expect((await ask(node.url, 'tasks/view/1')).status).toBe(200);
      }
    }));

  test('a failure is what the predicate says', () =>
    withNode(
      { dialect: 'cuckoo', knobs: { failTask: ({ id }) => (id === 1 ? 'failed_processing' : null) } },
      async (node) => {
        for (const _ of [1, 2]) await create(node.url, {});
        await settled(node);
        expect(node.tasks.map(({ status }) => status)).toEqual(['failed_processing', 'reported']);
        expect(node.tasks[0]?.errors).toEqual(['It was told to end as failed_processing']);
      },
    ));
});
