import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CuckooNode } from './cuckoo.js';
import { NodeHttp } from './http.js';
import type { Work } from './node.js';
import { plainWork } from './plain-work.js';
import { bodyOf, LIMITS, never, sendJson, serve, type FakeServer } from './server.fake.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cuckoo-'));
  await writeFile(join(folder, 'sample'), 'MZ');
});
afterAll(() => rm(folder, { recursive: true }));

const MARK = 'dist:00112233445566778899aabbccddeeff';
const WORK = plainWork({ mark: MARK, target: 'http://example.org/a?b=c' });
const STATUS = {
  version: '2.0.7',
  machines: { total: 1, available: 1 },
  tasks: { reported: 0, running: 0, total: 0, completed: 0, pending: 0 },
};

type Answers = Readonly<Record<string, (response: ServerResponse, request: IncomingMessage) => void>>;

/** A node that answers each path in its own way. */
async function node(answers: Answers): Promise<FakeServer & { readonly client: CuckooNode }> {
  const server = await serve((request, response) => {
    const [path = ''] = (request.url ?? '').slice(1).split('?');
    const answer = answers[path];
    if (answer) answer(response, request);
    else sendJson(response, { message: 'no such path' }, 404);
  });
  const client = new CuckooNode(new NodeHttp(server.address, LIMITS));
  return {
    ...server,
    client,
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const json =
  (body: unknown, status = 200) =>
  (response: ServerResponse) =>
    sendJson(response, body, status);

describe('a submission', () => {
  /** The fields that reach a node of this version. */
  async function sent(work: Partial<Work>, version = '2.0.7'): Promise<Record<string, string>> {
    let body = '';
    await using server = await node({
      'cuckoo/status': json({ ...STATUS, version }),
      'tasks/create/url': (response, request) =>
        void bodyOf(request).then((bytes) => {
          body = bytes.toString();
          sendJson(response, { task_id: 5 });
        }),
    });
    expect(await server.client.submit({ ...WORK, ...work }, never)).toBe(5);
    return Object.fromEntries(new URLSearchParams(body));
  }

  test('says only what was asked for, and carries its mark as the owner', async () => {
    expect(await sent({})).toEqual({ url: WORK.target, priority: '1', owner: MARK });
  });

  test('says all of it in the words of Cuckoo', async () => {
    const all = {
      package: 'exe', timeout: 60, priority: 2, options: 'free=yes', machine: 'win7', platform: 'windows', tags: ['x64', 'office'],
      custom: 'case 7', memory: true, enforceTimeout: true, clock: new Date(2026, 0, 2, 3, 4, 5),
    }; // prettier-ignore
    expect(await sent(all)).toEqual({
      url: WORK.target, package: 'exe', timeout: '60', priority: '2', options: 'free=yes', machine: 'win7', platform: 'windows',
      tags: 'x64,office', custom: 'case 7', owner: MARK, memory: '1', enforce_timeout: '1', clock: '01-02-2026 03:04:05',
    }); // prettier-ignore
  });

  test('to a version that keeps no owner carries its mark in custom', async () => {
    expect((await sent({ custom: 'case 7' }, '1.2'))['custom']).toBe(`case 7 ${MARK}`);
    expect((await sent({}, '1.0'))['custom']).toBe(MARK);
    expect((await sent({ custom: 'dist:mine' }, '1.0'))['custom']).toBe(`dist:mine ${MARK}`);
  });

  test('of a file is one file', async () => {
    let body = '';
    await using server = await node({
      'cuckoo/status': json(STATUS),
      'tasks/create/file': (response, request) =>
        void bodyOf(request).then((bytes) => {
          body = bytes.toString();
          expect(Number(request.headers['content-length'])).toBe(bytes.length);
          sendJson(response, { task_ids: [6] });
        }),
    });
    const work = { ...WORK, file: join(folder, 'sample'), target: 'Rechnung "é".exe' };
    expect(await server.client.submit(work, never)).toBe(6);
    expect(body).toContain('name="file"; filename="Rechnung %22é%22.exe"\r\n');
    expect(body).toContain('\r\n\r\nMZ\r\n--');
  });

  test('that a node unpacks into several is taken back and refused', async () => {
    const there = new Set([7, 8]);
    const of = (id: number): Answers => ({
      [`tasks/view/${id}`]: json({ task: { id, status: 'pending' } }),
      [`tasks/delete/${id}`]: (response) => {
        there.delete(id);
        sendJson(response, { status: 'OK' });
      },
    });
    await using server = await node({
      'cuckoo/status': json(STATUS),
      'tasks/create/file': (response, request) =>
        void bodyOf(request).then(() => sendJson(response, { task_ids: [7, 8] })),
      ...of(7),
      ...of(8),
    });
    const work = { ...WORK, file: join(folder, 'sample'), target: 'a.zip' };
    await expect(server.client.submit(work, never)).rejects.toMatchObject({
      code: 'NODE_REFUSED',
      unclear: false,
    });
    expect([...there]).toEqual([]);
  });

  test('whose answer has no id may have been taken', async () => {
    await using server = await node({
      'cuckoo/status': json(STATUS),
      'tasks/create/url': json({ task_id: null }),
    });
    await expect(server.client.submit(WORK, never)).rejects.toMatchObject({
      code: 'NODE_ODD',
      unclear: true,
    });
  });

  test('that fails before it was begun certainly was not', async () => {
    await using server = await node({ 'cuckoo/status': json({ message: 'down' }, 500) });
    await expect(server.client.submit(WORK, never)).rejects.toMatchObject({
      code: 'NODE_UNREACHABLE',
      unclear: false,
    });
    expect(server.asked).toEqual(['GET /cuckoo/status']);
  });
});

describe('finding', () => {
  test('gives what carries the mark, the oldest first, also where all is listed', async () => {
    const tasks = [
      { id: 9, status: 'pending', owner: MARK },
      { id: 4, status: 'running', owner: 'dist:other' },
      { id: 2, status: 'reported', owner: MARK, started_on: null },
      { id: 1, status: 'reported' },
    ];
    await using server = await node({ 'tasks/list': json({ tasks }) });
    expect((await server.client.find(MARK, never)).map(({ id }) => id)).toEqual([2, 9]);
    expect(server.asked).toEqual([`GET /tasks/list?owner=${encodeURIComponent(MARK)}`]);
  });
});

describe('viewing', () => {
  test('is null only when the node itself says that there is no such task', async () => {
    await using server = await node({
      'tasks/view/1': json({ message: 'Task not found' }, 404),
      'tasks/view/2': (response) =>
        response.writeHead(404).end('<html><title>Error: 404</title>Task not found</html>'),
      'tasks/view/3': (response) => response.writeHead(404).end('<html><h1>404 Not Found</h1>nginx</html>'),
      'tasks/view/4': json({ task: { id: 5, status: 'pending' } }),
      'tasks/view/5': json({ task: { id: 5, status: 'pending', owner: MARK, errors: ['a'] } }),
    });
    expect(await server.client.view(1, never)).toBeNull();
    expect(await server.client.view(2, never)).toBeNull();
    await expect(server.client.view(3, never)).rejects.toMatchObject({ code: 'NODE_ODD' });
    await expect(server.client.view(4, never)).rejects.toMatchObject({ code: 'NODE_ODD' });
    expect(await server.client.view(5, never)).toEqual({
      id: 5,
      status: 'pending',
      mark: MARK,
      startedOn: null,
      reason: 'a',
    });
  });
});

describe('removing', () => {
  const view = (status: string) => json({ task: { id: 1, status, owner: MARK } });

  test.each<[string, Answers, boolean]>([
    ['what is gone', { 'tasks/view/1': json({ message: 'Task not found' }, 404) }, true],
    ['what runs', { 'tasks/view/1': view('running') }, false],
    ['what has ended', { 'tasks/view/1': view('reported'), 'tasks/delete/1': json({ status: 'OK' }) }, true],
    [
      'what somebody else deletes',
      { 'tasks/view/1': view('reported'), 'tasks/delete/1': json({ message: 'Task not found' }, 404) },
      true,
    ],
    [
      'what has just begun to run',
      {
        'tasks/view/1': view('pending'),
        'tasks/delete/1': json({ message: 'The task is currently being processed, cannot delete' }, 500),
      },
      false,
    ],
  ])('%s', async (_what, answers, gone) => {
    await using server = await node(answers);
    expect(await server.client.remove(1, never)).toBe(gone);
  });

  test('fails when the node does', async () => {
    const message = 'An error occurred while trying to delete the task';
    await using server = await node({
      'tasks/view/1': view('reported'),
      'tasks/delete/1': json({ message }, 500),
    });
    await expect(server.client.remove(1, never)).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' });
  });
});

test('reports and captures are where Cuckoo has them', async () => {
  await using server = await node({
    'tasks/report/1/json': json({ info: {} }),
    'tasks/report/1/html': (response) => response.writeHead(200, { 'content-length': 6 }).end('<html>'),
    'pcap/get/1': (response) =>
      response.writeHead(200, { 'content-length': 4 }).end(Buffer.from('d4c3b2a1', 'hex')),
  });
  const sizes = [];
  for (const format of ['json', 'html', 'pcap'])
    sizes.push((await server.client.fetch(1, format, join(folder, format), never)).size);
  expect(sizes).toEqual([11, 6, 4]);
  await expect(server.client.fetch(1, '../../x', join(folder, 'x'), never)).rejects.toMatchObject({
    code: 'NODE_ODD',
  });
  expect(server.asked.at(-1)).toBe('GET /tasks/report/1/..%2F..%2Fx');
});

test('status and machines', async () => {
  await using server = await node({
    'cuckoo/status': json(STATUS),
    'machines/list': json({ machines: [{ name: 'a' }] }),
  });
  expect((await server.client.status(never)).machines).toEqual({ total: 1, available: 1 });
  expect((await server.client.machines(never)).machines).toHaveLength(1);
});

test('a status that grows is not kept', async () => {
  await using server = await node({ 'cuckoo/status': json({ ...STATUS, more: 'x'.repeat(300_000) }) });
  await expect(server.client.status(never)).rejects.toMatchObject({ code: 'NODE_ODD' });
});
