import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { detectDialect } from '#nodes/detect.js';
import type { NodeClient, NodeEvent, NodeLimits, Work } from '#nodes/node.js';
import { plainWork } from '#nodes/plain-work.js';
import { openNode } from '#nodes/open.js';
import { startApi, type TestApi } from '../support/api.js';
import { drive, leave } from '../support/api-client.js';
import { work } from '../support/observe.js';

const TOKEN = 'a-token-of-the-lab-above';
const CONF = `[tokens]\nlab = admin ${TOKEN}\nreader = read another-token-of-ours\n`;
const LIMITS: NodeLimits = { connect: 10_000, answer: 60_000, reportSize: 1024 * 1024, linkLocal: false };
const never = new AbortController().signal;

let api: TestApi;
let folder: string;
let malkoha: NodeClient;
let cuckoo: NodeClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodes-'));
  api = await startApi(CONF);
  malkoha = openNode(address(), 'malkoha', LIMITS);
  // All that Cuckoo has, ours has as well.
  cuckoo = openNode(address(), 'cuckoo', LIMITS);
});

afterAll(async () => {
  malkoha.close();
  cuckoo.close();
  await api[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const address = (token: string | null = TOKEN) => ({ name: 'n1', url: `${api.url}/`, token });

function workOf(changes: Partial<Work> = {}): Work {
  const mark = `dist:${randomBytes(16).toString('hex')}`;
  return plainWork({ mark, target: 'http://example.org/?a=b&c', ...changes });
}

async function file(content: Buffer): Promise<string> {
  const path = join(folder, randomBytes(8).toString('hex'));
  await writeFile(path, content);
  return path;
}

const stored = async (id: number) => (await api.context.tasks.find(id))?.task;

test('a real API is known as Malkoha, and its tokens count', async () => {
  expect(await detectDialect(address(), LIMITS, never)).toBe('malkoha');
  await expect(detectDialect(address(null), LIMITS, never)).rejects.toMatchObject({ code: 'NODE_DENIED' });
  const reader = openNode(address('another-token-of-ours'), 'malkoha', LIMITS);
  await expect(reader.submit(workOf(), never)).rejects.toMatchObject({ code: 'NODE_DENIED', unclear: false });
  reader.close();
});

test('a file arrives byte by byte, with its name and all that was asked for', async () => {
  const content = randomBytes(3_000_000);
  const asked = workOf({
    ...{
      file: await file(content),
      target: 'Rechnung 100%41 \u202e"é".exe',
      package: 'exe',
      timeout: 60,
      priority: 2,
    },
    ...{
      options: 'free=yes,route=drop',
      platform: 'windows',
      arch: 'x86',
      tags: ['office', 'x64'],
      custom: 'a\nb',
    },
    ...{ memory: true, enforceTimeout: true, clock: new Date(2026, 0, 2, 3, 4, 5) },
  });
  const task = await stored(await malkoha.submit(asked, never));
  const { package: kind, timeout, priority, options, platform, arch, tags, custom } = asked;
  expect(task).toMatchObject({ package: kind, timeout, priority, options, platform, arch, tags, custom });
  expect(task).toMatchObject({ owner: asked.mark, memory: true, enforceTimeout: true, clock: asked.clock });
  expect(task?.target).toBe(asked.target);
  const answer = await fetch(`${api.url}/files/get/${task?.sample?.sha256}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true);
});

test('an empty file and a URL arrive, by either dialect', async () => {
  for (const client of [malkoha, cuckoo]) {
    const empty = await stored(
      await client.submit(workOf({ file: await file(Buffer.alloc(0)), target: 'empty' }), never),
    );
    expect(empty).toMatchObject({ category: 'file', target: 'empty', sample: { fileSize: 0 } });
    const url = workOf();
    expect(await stored(await client.submit(url, never))).toMatchObject({
      category: 'url',
      target: url.target,
      memory: false,
    });
  }
});

test('what is sent again under its mark is one task; Cuckoo would have two', async () => {
  const asked = workOf({ file: await file(Buffer.from('MZ')), target: 'a.exe' });
  const ids = await Promise.all([1, 2, 3].map(() => malkoha.submit(asked, never)));
  expect(new Set(ids).size).toBe(1);
  expect((await malkoha.find(asked.mark, never)).map(({ id }) => id)).toEqual([ids[0]]);

  const twice = workOf();
  const both = [await cuckoo.submit(twice, never), await cuckoo.submit(twice, never)];
  expect((await cuckoo.find(twice.mark, never)).map(({ id }) => id)).toEqual(both);
});

test('a task is seen as it is, and its report comes when it is there', async () => {
  const asked = workOf({ file: await file(Buffer.from('MZ')), target: 'a.exe' });
  const id = await malkoha.submit(asked, never);
  expect(await malkoha.view(id, never)).toMatchObject({
    id,
    status: 'pending',
    mark: asked.mark,
    startedOn: null,
  });
  const to = join(folder, 'report');
  await expect(malkoha.fetch(id, 'json', to, never)).rejects.toMatchObject({ code: 'REPORT_MISSING' });

  await drive(api, id, 'running', 'completed', 'reported');
  await leave(api, id, 'reports/report.json', JSON.stringify({ info: { id } }));
  await leave(api, id, 'dump.pcap', Buffer.from([0xd4, 0xc3, 0xb2, 0xa1]));
  const seen = await malkoha.view(id, never);
  expect(seen).toMatchObject({ status: 'reported', startedOn: expect.any(Date) });
  expect(
    Math.abs((seen?.startedOn?.getTime() ?? 0) - ((await stored(id))?.startedOn?.getTime() ?? NaN)),
  ).toBeLessThan(1000);
  await malkoha.fetch(id, 'json', to, never);
  expect(await readFile(to, 'utf8')).toBe(`{"info":{"id":${id}}}`);
  expect(await malkoha.fetch(id, 'pcap', to, never)).toMatchObject({ size: 4 });
  await expect(malkoha.fetch(id, 'nonsense', to, never)).rejects.toMatchObject({ code: 'REPORT_MISSING' });

  expect(await malkoha.remove(id, never)).toBe(true);
  expect(await malkoha.view(id, never)).toBeNull();
  expect(await malkoha.remove(id, never)).toBe(true);
});

test('a running task is cancelled and removed; by the means of Cuckoo it is not', async () => {
  const id = await malkoha.submit(workOf(), never);
  await drive(api, id, 'running');
  expect(await cuckoo.remove(id, never)).toBe(false);
  expect(await malkoha.remove(id, never)).toBe(true);
  expect(await malkoha.view(id, never)).toBeNull();
});

test('a failed task says why', async () => {
  const id = await malkoha.submit(workOf(), never);
  await drive(api, id, 'running', 'failed_analysis');
  await api.context.tasks.addError(id, 'GUEST_LOST', 'the machine ended');
  expect(await malkoha.view(id, never)).toMatchObject({
    status: 'failed_analysis',
    reason: expect.stringContaining('the machine ended'),
  });
});

test('status and machines are those of the lab', async () => {
  using lab = await work(api, 'w1');
  const { machines, raw } = await malkoha.machines(never);
  expect(machines).toMatchObject([
    { name: lab.machine, platform: 'linux', arch: expect.any(String), reserved: false },
  ]);
  expect(raw).toMatchObject([{ name: lab.machine, ip: expect.any(String) }]);
  expect((await cuckoo.machines(never)).machines).toMatchObject([{ name: lab.machine, arch: null }]);
  expect(await malkoha.status(never)).toMatchObject({ machines: { total: 1 }, raw: { version: '2.0.7' } });
});

test('events tell what becomes of tasks, and go on where they were left', async () => {
  const gone = new AbortController();
  const seen: NodeEvent[] = [];
  let id = 0;
  for await (const event of malkoha.events?.(null, gone.signal) ?? []) {
    seen.push(event);
    if (seen.length === 1) id = await malkoha.submit(workOf(), never);
    else if (event.kind === 'status' && event.status === 'pending') await malkoha.remove(id, never);
    else if (event.kind === 'status' && event.status === 'deleted') gone.abort();
  }
  const told = (status: string) => expect.objectContaining({ kind: 'status', task: id, status });
  expect(seen).toEqual([
    { kind: 'look', id: expect.any(String) },
    told('pending'),
    told('failed_analysis'),
    told('deleted'),
  ]);

  const again = new AbortController();
  const missed: NodeEvent[] = [];
  for await (const event of malkoha.events?.(seen[1]?.id ?? null, again.signal) ?? []) {
    missed.push(event);
    if (event.kind === 'status' && event.status === 'deleted') again.abort();
  }
  expect(missed).toEqual([
    expect.objectContaining({ kind: 'look' }),
    told('failed_analysis'),
    told('deleted'),
  ]);
});
