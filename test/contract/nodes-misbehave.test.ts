import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DIALECTS, type Dialect } from '#nodes/dialect.js';
import { NodeError } from '#nodes/error.js';
import type { NodeClient, NodeLimits, Work } from '#nodes/node.js';
import { plainWork } from '#nodes/plain-work.js';
import { openNode } from '#nodes/open.js';
import type { Broken, Endpoint, Knobs, ScriptedOptions } from '../support/scripted-node/options.js';
import { startScriptedNode, type ScriptedNode } from '../support/scripted-node/start.js';
import { until } from '../support/until.js';

const MARK = 'dist:0123456789abcdef0123456789abcdef';
const LIMITS: NodeLimits = { connect: 10_000, answer: 30_000, reportSize: 100_000, linkLocal: false };
const ALL: readonly Endpoint[] = ['status', 'machines', 'submit', 'list', 'view', 'delete', 'report', 'pcap'];
const never = new AbortController().signal;

let dir: string;
let node: ScriptedNode;
let client: NodeClient;
let file: Work;
let url: Work;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'misbehave-'));
  await writeFile(join(dir, 'sample'), Buffer.alloc(300_000, 'x'));
  url = plainWork({ mark: MARK, target: 'http://a.example/' });
  file = { ...url, file: join(dir, 'sample'), target: 'a.exe' };
});
afterEach(async () => {
  client.close();
  await node[Symbol.asyncDispose]();
  const left = await readdir(dir);
  await rm(dir, { recursive: true });
  // Whatever went wrong: no half of a report stays.
  expect(left).toEqual(['sample']);
});

/** Its node has answered well once: what clients ask only once is known. */
async function start(
  dialect: Dialect,
  options: Partial<ScriptedOptions> = {},
  limits: Partial<NodeLimits> = {},
): Promise<void> {
  const { knobs, ...others } = options;
  node = await startScriptedNode({ dialect, runMs: 1, ...others });
  client = openNode({ name: 'n1', url: node.url, token: null }, dialect, { ...LIMITS, ...limits });
  await client.submit({ ...url, mark: 'dist:first' }, never);
  node.wipe();
  Object.assign(node.knobs, knobs);
}

/** Every call, each of which the node spoils. */
function calls(): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    status: () => client.status(never),
    machines: () => client.machines(never),
    'submit a file': () => client.submit(file, never),
    'submit a URL': () => client.submit({ ...url, mark: `${MARK}u` }, never),
    find: () => client.find(MARK, never),
    view: () => client.view(1, never),
    remove: () => client.remove(1, never),
    fetch: () => client.fetch(1, 'json', join(dir, 'report'), never),
    'fetch the capture': () => client.fetch(1, 'pcap', join(dir, 'report'), never),
  };
}

async function failure(call: () => Promise<unknown>): Promise<NodeError> {
  const came: unknown = await call().then(
    (value) => value,
    (error: unknown) => error,
  );
  if (came instanceof NodeError) return came;
  throw new Error(`no NodeError, but ${String(came)}`, { cause: came });
}

interface Case {
  readonly says: string;
  readonly knobs: Partial<Knobs>;
  readonly code: string;
  /** Of submissions: the task may be there all the same. */
  readonly unclear: boolean;
  /** Of downloads, where that differs. */
  readonly download?: RegExp;
  readonly limits?: Partial<NodeLimits>;
}

const CASES: readonly Case[] = [
  { says: 'never answers', knobs: { hang: ALL }, code: 'NODE_UNREACHABLE', unclear: true, limits: { answer: 150 } },
  { says: 'answers 500', knobs: { status500: ALL }, code: 'NODE_UNREACHABLE', unclear: true },
  { says: 'answers with a page', knobs: { html: ALL }, code: 'NODE_ODD', unclear: true, download: /NODE_ODD|REPORT_INVALID/ },
  { says: 'sends elsewhere', knobs: { redirect: ALL }, code: 'NODE_ODD', unclear: true },
  { says: 'answers what is not JSON', knobs: { notJson: ALL }, code: 'NODE_ODD', unclear: true, download: /NODE_REFUSED|REPORT_INVALID/ },
  { says: 'answers without an end', knobs: { endless: ALL }, code: 'NODE_ODD', unclear: true, download: /NODE_REFUSED|REPORT_INVALID/ },
  { says: 'asks to be left alone', knobs: { tooMany: ALL }, code: 'NODE_BUSY', unclear: false },
  { says: 'wants a token', knobs: { token: 'secret' }, code: 'NODE_DENIED', unclear: false },
  {
    says: 'cuts the connection within an answer',
    knobs: { cutAfter: Object.fromEntries(ALL.map((endpoint) => [endpoint, 5])) },
    code: 'NODE_UNREACHABLE',
    unclear: true,
    download: /NODE_UNREACHABLE|NODE_ODD|REPORT_INVALID|REPORT_MISSING/,
  },
]; // prettier-ignore

describe.each(DIALECTS)('a %s node that', (dialect) => {
  test.each(CASES)('$says', async ({ knobs, code, unclear, download, limits }) => {
    await start(dialect, { knobs }, limits);
    for (const [name, call] of Object.entries(calls())) {
      const error = await failure(call);
      expect({ name, code: error.code }).toEqual({
        name,
        code: name.startsWith('fetch') && download ? expect.stringMatching(download) : code,
      });
      if (name.startsWith('submit')) expect({ name, unclear: error.unclear }).toEqual({ name, unclear });
      expect(error.message).toContain('n1');
    }
  });

  test('answers JSON of another shape', async () => {
    await start(dialect, { knobs: { wrongJson: ALL } });
    const { fetch: _fetch, 'fetch the capture': _capture, ...others } = calls();
    for (const [name, call] of Object.entries(others)) {
      const { code, unclear } = await failure(call);
      expect({ name, code, unclear }).toEqual({ name, code: 'NODE_ODD', unclear: true });
    }
  });

  test('is not there certainly took nothing', async () => {
    await start(dialect);
    await node.crash();
    for (const [name, call] of Object.entries(calls())) {
      const { code, unclear } = await failure(call);
      expect({ name, code, unclear }).toEqual({ name, code: 'NODE_UNREACHABLE', unclear: false });
    }
  });

  test.each([
    ['before', 0],
    ['after', 1],
  ] as const)('cuts a submission off %s it took the task: find tells', async (when, tasks) => {
    await start(dialect, { knobs: { cutUpload: when } });
    for (const [nth, work] of [file, url].entries()) {
      const marked = { ...work, mark: `dist:${nth}` };
      expect(await failure(() => client.submit(marked, never))).toMatchObject({
        code: 'NODE_UNREACHABLE',
        unclear: true,
      });
      expect(await client.find(marked.mark, never)).toHaveLength(tasks);
    }
  });

  test('asks to be left alone says for how long', async () => {
    await start(dialect, { knobs: { tooMany: ALL, retryAfter: 12 } });
    expect((await failure(() => client.submit(url, never))).retryAfterMs).toBe(12_000);
  });

  test('is waited for no longer than somebody wants to know', async () => {
    await start(dialect, { knobs: { hang: ALL } });
    const giveUp = new AbortController();
    const waiting = client.status(giveUp.signal);
    await until(() => node.asked.get('status') === 1);
    giveUp.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toThrow('no longer wanted');
  });

  test('does not look for marks, or has tasks of others: only ours are found', async () => {
    await start(dialect, { machines: [], knobs: { ignoresOwner: true } });
    node.foreignTasks(3);
    const id = await client.submit(url, never);
    expect((await client.find(MARK, never)).map((task) => task.id)).toEqual([id]);
    expect(await client.view(1, never)).toMatchObject({ mark: null, status: 'reported' });
  });

  test('does not say when a task began is no reason to fail', async () => {
    await start(dialect, { knobs: { startedOnNull: true } });
    const id = await client.submit(url, never);
    await until(async () => (await client.view(id, never))?.status === 'reported');
    expect(await client.view(id, never)).toMatchObject({ startedOn: null });
  });

  test.each([
    ['short', /NODE_UNREACHABLE|REPORT_INVALID/],
    ['truncated', /REPORT_INVALID/],
    ['text', /REPORT_INVALID/],
    ['empty', /REPORT_INVALID/],
  ] as const)('gives a report that is %s', async (how: Broken, code) => {
    await start(dialect, { reportBytes: 50_000, knobs: { reportBroken: { json: how } } });
    const id = await client.submit(url, never);
    await until(async () => (await client.view(id, never))?.status === 'reported');
    const call = () => client.fetch(id, 'json', join(dir, 'report'), never);
    expect((await failure(call)).code).toMatch(code);
    node.knobs.reportBroken = {};
    expect(await call()).toMatchObject({ size: 50_000 });
    await rm(join(dir, 'report'));
  });

  test('gives a report larger than allowed', async () => {
    await start(dialect, { reportBytes: LIMITS.reportSize + 1 });
    const id = await client.submit(url, never);
    await until(async () => (await client.view(id, never))?.status === 'reported');
    const call = () => client.fetch(id, 'json', join(dir, 'report'), never);
    expect((await failure(call)).code).toBe('REPORT_INVALID');
  });

  test.each(['json', 'html', 'pcap'])('has no %s is asked again', async (format) => {
    await start(dialect, { knobs: { reportMissing: { [format]: 1 } } });
    const id = await client.submit(url, never);
    await until(async () => (await client.view(id, never))?.status === 'reported');
    const call = () => client.fetch(id, format, join(dir, 'report'), never);
    expect((await failure(call)).code).toBe('REPORT_MISSING');
    await call();
    await rm(join(dir, 'report'));
  });

  test('cannot delete says so, and that the task is still there', async () => {
    await start(dialect, { knobs: { deleteFails: true } });
    const id = await client.submit(url, never);
    await until(async () => (await client.view(id, never))?.status === 'reported');
    expect((await failure(() => client.remove(id, never))).code).toMatch(/NODE_(UNREACHABLE|REFUSED)/);
    node.knobs.deleteFails = false;
    expect(await client.remove(id, never)).toBe(true);
    expect(await client.view(id, never)).toBeNull();
  });

  test('was wiped does not know the task', async () => {
    await start(dialect, { runMs: 60_000 });
    const id = await client.submit(url, never);
    node.wipe();
    expect(await client.view(id, never)).toBeNull();
    expect(await client.find(MARK, never)).toEqual([]);
    expect(await client.remove(id, never)).toBe(true);
  });

  test('fails a task says why', async () => {
    await start(dialect, { knobs: { failTask: () => 'failed_analysis' } });
    const id = await client.submit(url, never);
    await until(async () => (await client.view(id, never))?.status === 'failed_analysis');
    const reason = 'It was told to end as failed_analysis';
    expect(await client.view(id, never)).toMatchObject({ reason, mark: MARK });
  });
});

test('what runs stays on nodes that cannot end it; another Malkoha ends it', async () => {
  for (const dialect of DIALECTS) {
    await start(dialect, { runMs: 60_000 });
    const id = await client.submit(url, never);
    expect(await client.remove(id, never)).toBe(dialect === 'malkoha');
    expect(node.tasks).toHaveLength(dialect === 'malkoha' ? 0 : 1);
    await node[Symbol.asyncDispose]();
    client.close();
  }
});

test('a Malkoha node that took a submission without answering runs it once, however often it comes again', async () => {
  await start('malkoha', { knobs: { cutUpload: 'after', cutUploads: 2 } });
  for (let i = 0; i < 2; i++) await failure(() => client.submit(file, never));
  expect(await client.submit(file, never)).toBe(1);
  await until(() => node.tasks[0]?.status === 'reported');
  expect(node.started.get(MARK)).toBe(1);
});
