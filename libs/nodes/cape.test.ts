import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ScriptedOptions } from '../../test/support/scripted-node/options.js';
import { startScriptedNode, type ScriptedNode } from '../../test/support/scripted-node/start.js';
import { until } from '../../test/support/until.js';
import { CapeNode } from './cape.js';
import { NodeHttp } from './http.js';
import type { NodeClient, Work } from './node.js';

const MARK = 'dist:0123456789abcdef0123456789abcdef';
const LIMITS = { connect: 5000, answer: 5000, reportSize: 1_000_000, linkLocal: false };
const never = new AbortController().signal;

let dir: string;
let node: ScriptedNode;
let client: NodeClient;
let work: Work;

async function start(options: Partial<ScriptedOptions> = {}, token: string | null = null): Promise<void> {
  node = await startScriptedNode({ dialect: 'cape', runMs: 5, ...options });
  client = new CapeNode(new NodeHttp({ name: 'n1', url: node.url, token }, LIMITS, { scheme: 'Token' }));
}

const submitUrl = () => client.submit({ ...work, file: null, target: 'http://a.example/', tags: [] }, never);
const reported = (id: number) => until(async () => (await client.view(id, never))?.status === 'reported');

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cape-'));
  await writeFile(join(dir, 'sample'), 'MZ and so on');
  work = {
    mark: MARK,
    file: join(dir, 'sample'),
    target: 'a "b".exe',
    package: null,
    timeout: 30,
    priority: 2,
    options: 'free=yes',
    machine: null,
    platform: 'linux',
    arch: 'x64',
    tags: ['office'],
    custom: 'case 7',
    memory: true,
    enforceTimeout: false,
    clock: new Date(2026, 11, 31, 23, 59, 1),
  };
});
afterEach(async () => {
  client.close();
  await node[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

describe('submit', () => {
  test('a file, with everything that was asked for; the mark is one more option', async () => {
    await start({ machines: [] });
    expect(await client.submit(work, never)).toBe(1);
    expect(node.tasks).toMatchObject([
      {
        category: 'file',
        target: 'a "b".exe',
        mark: MARK,
        sample: { size: 12 },
        fields: {
          timeout: '30',
          priority: '2',
          options: `free=yes,dist_mark=${MARK}`,
          platform: 'linux',
          tags: 'office,x64',
          custom: 'case 7',
          memory: '1',
          clock: '12-31-2026 23:59:01',
        },
      },
    ]);
    for (const absent of ['machine', 'package', 'enforce_timeout', 'owner', 'url'])
      expect(node.tasks[0]?.fields).not.toHaveProperty(absent);
  });

  test('a URL', async () => {
    await start({ machines: [] });
    const more = { options: null, arch: null, tags: [], clock: null };
    const id = await client.submit({ ...work, ...more, file: null, target: 'http://a.example/' }, never);
    expect(node.tasks).toMatchObject([
      {
        id,
        category: 'url',
        target: 'http://a.example/',
        fields: { options: `dist_mark=${MARK}` },
        tags: [],
      },
    ]);
  });

  test('with an option that is named as the mark is: ours is the only one', async () => {
    await start({ machines: [] });
    const options = 'dist_mark=mine,free=yes, DIST_MARK = dist:mine,dist_marks=2,dist_mark';
    const id = await client.submit({ ...work, options }, never);
    expect(node.tasks[0]?.fields['options']).toBe(`free=yes,dist_marks=2,dist_mark=${MARK}`);
    expect(await client.view(id, never)).toMatchObject({ mark: MARK });
    expect(await client.find(MARK, never)).toHaveLength(1);
    const none = await client.submit({ ...work, options: 'dist_mark=mine' }, never);
    expect(node.tasks[none - 1]?.fields['options']).toBe(`dist_mark=${MARK}`);
  });

  test('a refusal that comes with 200 is one', async () => {
    await start();
    await expect(client.submit({ ...work, machine: 'win11' }, never)).rejects.toMatchObject({
      code: 'NODE_REFUSED',
      unclear: false,
      message: expect.stringContaining("Machine 'win11' does not exist. Available: linux1, linux2"),
    });
    expect(node.tasks).toEqual([]);
  });

  test('an archive that became several tasks is taken back', async () => {
    await start({ machines: [], knobs: { unpacks: 3 } });
    await expect(client.submit(work, never)).rejects.toMatchObject({
      code: 'NODE_REFUSED',
      message: expect.stringContaining(
        'unpacked the file into 3 tasks, which were removed again: submit its members one by one',
      ),
    });
    expect(node.tasks).toEqual([]);
    expect(await client.submit({ ...work, package: 'zip' }, never)).toBe(4);
  });

  test('tasks of it that already run are told', async () => {
    await start({ machines: [{}], runMs: 60_000, knobs: { unpacks: 2 } });
    const plain = { ...work, tags: [], arch: null };
    await expect(client.submit(plain, never)).rejects.toThrow('removed again, but for 1 that ran already');
    expect(node.tasks.map(({ status }) => status)).toEqual(['running']);
  });

  test('tasks of it that cannot be taken back leave the submission unclear', async () => {
    await start({ machines: [], knobs: { unpacks: 2, deleteFails: true } });
    await expect(client.submit(work, never)).rejects.toMatchObject({ unclear: true });
  });
});

describe('find', () => {
  test('all tasks of the mark, the oldest first, by one call', async () => {
    await start({ machines: [] });
    for (let i = 0; i < 2; i++) await submitUrl();
    await client.submit({ ...work, mark: `${MARK}0` }, never);
    expect((await client.find(MARK, never)).map(({ id }) => id)).toEqual([1, 2]);
    expect(await client.find('dist:other', never)).toEqual([]);
    expect(node.asked.get('list')).toBe(2);
  });

  test('also on a node that does not look for options, among tasks of others', async () => {
    await start({ machines: [], knobs: { ignoresOwner: true } });
    node.foreignTasks(60);
    const id = await submitUrl();
    node.foreignTasks(70);
    expect((await client.find(MARK, never)).map((task) => task.id)).toEqual([id]);
    expect(node.asked.get('list')).toBe(3);
  });

  test('is given up on such a node with more tasks than can be gone through', async () => {
    await start({ machines: [], knobs: { ignoresOwner: true, listLimit: 2 } });
    node.foreignTasks(201);
    await expect(client.find(MARK, never)).rejects.toMatchObject({ code: 'NODE_ODD', unclear: true });
  });
});

describe('view', () => {
  test('a task in the words of Cuckoo, with its mark and when it started, in UTC', async () => {
    await start({ runMs: 60_000 });
    const id = await submitUrl();
    const seen = await client.view(id, never);
    expect(seen).toMatchObject({ id, status: 'running', mark: MARK, reason: null });
    expect(seen?.startedOn).toBeInstanceOf(Date);
  });

  test.each([
    ['banned', 'failed_analysis'],
    ['distributed', 'running'],
    ['distributed_completed', 'completed'],
    ['failed_reporting', 'failed_reporting'],
    ['recovered', 'recovered'],
  ] as const)('%s is %s', async (theirs, word) => {
    await start({ machines: [] });
    node.setStatus(await submitUrl(), theirs);
    expect((await client.view(1, never))?.status).toBe(word);
  });

  test('a failed task has the reason; one that is not there is null; none of ours has no mark', async () => {
    await start({ knobs: { failTask: () => 'failed_processing', startedOnNull: true } });
    const id = await submitUrl();
    await until(async () => (await client.view(id, never))?.status === 'failed_processing');
    expect(await client.view(id, never)).toMatchObject({
      reason: 'It was told to end as failed_processing',
      startedOn: null,
    });
    expect(await client.view(99, never)).toBeNull();
    node.foreignTasks(1);
    expect(await client.view(2, never)).toMatchObject({ mark: null });
  });
});

test('status and machines, with all that the node says', async () => {
  await start({
    machines: [{ name: 'w', label: 'win10', platform: 'windows', tags: ['office'], reserved: true }],
  });
  node.foreignTasks(2);
  const status = await client.status(never);
  expect(status).toMatchObject({
    machines: { total: 1, available: 1 },
    tasks: { reported: 2, running: 0, total: 2, completed: 0, pending: 0 },
    raw: { hostname: 'scripted', server: { storage: { free: 80 } } },
  });
  const { machines, raw } = await client.machines(never);
  expect(machines).toEqual([
    { name: 'w', label: 'win10', platform: 'windows', arch: 'x64', tags: ['office'], reserved: true },
  ]);
  expect(raw).toMatchObject([{ ip: '192.168.56.101', locked: false }]);
});

describe('fetch', () => {
  const to = () => join(dir, 'report');

  test('reports and the capture', async () => {
    await start({ reportBytes: 100_000 });
    const id = await client.submit({ ...work, tags: [] }, never);
    await reported(id);
    expect(await client.fetch(id, 'json', to(), never)).toMatchObject({ size: 100_000 });
    expect(JSON.parse(await readFile(to(), 'utf8'))).toMatchObject({ info: { id, custom: 'case 7' } });
    await client.fetch(id, 'html', to(), never);
    await client.fetch(id, 'pcap', to(), never);
    expect((await readFile(to())).subarray(0, 4).toString('hex')).toBe('d4c3b2a1');
    await client.fetch(id, 'dist', to(), never);
    expect((await readFile(to())).subarray(0, 2).toString()).toBe('PK');
  });

  test.each(['json', 'html', 'pcap'])(
    '%s that the node says with 200 it has not is missing',
    async (format) => {
      await start({ knobs: { reportMissing: { [format]: 1 } } });
      await reported(await submitUrl());
      await expect(client.fetch(1, format, to(), never)).rejects.toMatchObject({ code: 'REPORT_MISSING' });
      expect(await readdir(dir)).toEqual(['sample']);
      await client.fetch(1, format, to(), never);
    },
  );

  test('of a task that is not there, not done, or of an unknown format is missing too', async () => {
    await start({ machines: [] });
    await submitUrl();
    for (const id of [1, 99])
      await expect(client.fetch(id, 'json', to(), never)).rejects.toMatchObject({ code: 'REPORT_MISSING' });
    node.setStatus(1, 'reported');
    await expect(client.fetch(1, 'nonsense', to(), never)).rejects.toMatchObject({ code: 'REPORT_MISSING' });
  });

  test('a page instead of a report is none, whatever the format', async () => {
    await start();
    await reported(await submitUrl());
    node.knobs.html = ['report'];
    for (const format of ['json', 'html'])
      await expect(client.fetch(1, format, to(), never)).rejects.toMatchObject({ code: 'NODE_ODD' });
    expect(await readdir(dir)).toEqual(['sample']);
  });
});

describe('remove', () => {
  test('what is pending, reported, failed or gone; what runs or is processed stays', async () => {
    await start({ machines: [] });
    for (const status of ['pending', 'reported', 'failed_analysis', 'recovered', 'banned'] as const) {
      const id = await submitUrl();
      if (status !== 'pending') node.setStatus(id, status);
      expect(await client.remove(id, never)).toBe(true);
      expect(node.tasks).toEqual([]);
      expect(await client.remove(id, never)).toBe(true);
    }
    for (const status of ['running', 'completed', 'distributed'] as const) {
      const id = await submitUrl();
      node.setStatus(id, status);
      expect(await client.remove(id, never)).toBe(false);
    }
    expect(node.tasks).toHaveLength(3);
  });

  test('both tasks, when one took the place of the other', async () => {
    await start({ machines: [] });
    const id = await submitUrl();
    const other = node.replace(id);
    expect(await client.view(id, never)).toMatchObject({ id: other, status: 'pending', mark: MARK });
    expect(await client.remove(id, never)).toBe(true);
    expect(node.tasks).toEqual([]);
  });

  test('a node that does not delete is told with its words', async () => {
    await start({ machines: [], knobs: { deleteFails: true } });
    const id = await submitUrl();
    await expect(client.remove(id, never)).rejects.toMatchObject({
      code: 'NODE_REFUSED',
      message: 'node n1: tasks/delete/1/ was refused: "Task(s) ID(s) 1 failed to remove"',
    });
  });
});

test('the token is sent as CAPE takes it; without, or with a wrong one, the node denies', async () => {
  await start({ token: 'secret' }, 'secret');
  await client.status(never);
  client.close();
  for (const token of [null, 'wrong']) {
    client = new CapeNode(new NodeHttp({ name: 'n1', url: node.url, token }, LIMITS, { scheme: 'Token' }));
    await expect(client.status(never)).rejects.toMatchObject({ code: 'NODE_DENIED' });
    client.close();
  }
});

test('throttling says when to come back', async () => {
  await start({ knobs: { tooMany: ['view'], retryAfter: 12 } });
  await expect(client.view(1, never)).rejects.toMatchObject({ code: 'NODE_BUSY', retryAfterMs: 12_000 });
});

test('a base URL without /apiv2 is no CAPE node', async () => {
  await start();
  const url = node.url.replace('apiv2/', '');
  const wrong = new CapeNode(new NodeHttp({ name: 'n1', url, token: null }, LIMITS, { scheme: 'Token' }));
  await expect(wrong.status(never)).rejects.toMatchObject({ code: 'NODE_ODD' });
  wrong.close();
});
