import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { HEADERS } from '../support/api-client.js';
import { onEachDatabase } from '../support/databases.js';
import { CLIENTS } from './rest-api/clients.js';
import { CREATE } from './rest-api/create.js';
import { DOWNLOADS } from './rest-api/downloads.js';
import { HOST } from './rest-api/host.js';
import { OBJECTS } from './rest-api/objects.js';
import { REPORTS } from './rest-api/reports.js';
import type { Row, Step } from './rest-api/row.js';
import { TASKS } from './rest-api/tasks.js';
import { TRANSPORT } from './rest-api/transport.js';
import { make } from './rest-api/world.js';

const run = promisify(execFile);
const ROWS: readonly Row[] = [
  ...TRANSPORT,
  ...OBJECTS,
  ...CREATE,
  ...TASKS,
  ...REPORTS,
  ...DOWNLOADS,
  ...HOST,
  ...CLIENTS,
];

/** What a row's paths and forms may name: `{id}`, and the values of its earlier answers. */
type Known = Map<string, string>;

onEachDatabase((fresh) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi(`[database]\nconnection = ${(await fresh()).replaceAll('%', '%%')}\n`);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test.each(ROWS.map((row) => [row.says, row] as const))('%s', async (_says, row) => {
    const known: Known = new Map();
    if (row.given !== undefined) known.set('id', String(await make(api, row.given)));
    for (const step of [row, ...(row.then ?? [])]) await check(api, step, known);
  });
});

async function check(api: TestApi, step: Step, known: Known): Promise<void> {
  const [method = 'GET', path = '/'] = fill(step.ask, known).split(' ');
  const answer = await fetch(`${api.url}${path}`, { method, ...request(step, known) });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const type = answer.headers.get('content-type');
  const isJson = type === 'application/json' && bytes.length > 0;
  const body: unknown = isJson ? JSON.parse(bytes.toString()) : bytes.toString('latin1');

  expect({ status: answer.status, body }).toEqual({ status: step.status, body: step.json ?? body });
  expect(Object.fromEntries(answer.headers)).toMatchObject(HEADERS);
  if (step.has !== undefined) expect(body).toMatchObject(step.has);
  if (step.keys !== undefined)
    expect(Object.keys(at(body, step.keys[0])).toSorted()).toEqual(step.keys[1].toSorted());
  if (step.type !== undefined) expect(type).toBe(step.type);
  for (const [name, wanted] of Object.entries(step.header ?? {})) {
    const value = answer.headers.get(name);
    if (wanted === null) expect(value).toBeNull();
    else expect(value ?? '').toMatch(wanted);
  }
  if (step.text !== undefined) expect(bytes.toString('latin1')).toMatch(step.text);
  if (step.members !== undefined) expect(await members(bytes)).toEqual(step.members.toSorted());
  remember(body, known);
}

function request(step: Step, known: Known): RequestInit {
  const { headers, form, files, urlencoded, raw } = step;
  if (raw !== undefined) {
    return {
      headers: { 'content-type': 'multipart/form-data; boundary=XX', ...headers },
      body: fill(raw, known).replaceAll('\n', '\r\n'),
    };
  }
  const init: RequestInit = headers ? { headers } : {};
  if (urlencoded) return { ...init, body: new URLSearchParams(urlencoded) };
  if (!form && !files) return init;
  const data = new FormData();
  for (const [field, name, content] of files ?? []) data.append(field, new Blob([content]), name);
  for (const [name, value] of Object.entries(form ?? {})) data.append(name, fill(value, known));
  return { ...init, body: data };
}

function fill(text: string, known: Known): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => known.get(name) ?? whole);
}

/** The simple values of an answer, by their names. */
function remember(body: unknown, known: Known): void {
  if (typeof body !== 'object' || body === null) return;
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === 'string' || typeof value === 'number') known.set(name, String(value));
    else if (name === 'task' || name === 'sample') remember(value, known);
  }
}

function at(body: unknown, path: string): object {
  const parts = path === '' ? [] : path.split('.');
  return parts.reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], body) as object;
}

/** Names in a tar of any compression or a zip, by programs that are not ours; `/` at the end of folders. */
async function members(archive: Buffer): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'members-'));
  try {
    const file = join(dir, 'archive');
    await writeFile(file, archive);
    if (archive.length === 22) return []; // an empty zip, which unzip calls a failure
    const listed =
      archive.subarray(0, 2).toString() === 'PK' ? run('unzip', ['-Z1', file]) : run('tar', ['-tf', file]);
    return (await listed).stdout.split('\n').filter(Boolean).toSorted();
  } finally {
    await rm(dir, { recursive: true });
  }
}
