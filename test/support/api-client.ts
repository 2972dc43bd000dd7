import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { TaskStatus } from '#domain/task.js';
import { analysisDir } from '#storage/analyses.js';
import type { Tasks } from '#storage/tasks.js';
import type { TestApi } from './api.js';
import { ON } from './task.js';

export const HEADERS = {
  server: 'Machete Server',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block',
  pragma: 'no-cache',
  'cache-control': 'no-cache',
  expires: '0',
};

/** `YYYY-MM-DD HH:MM:SS`. */
export const PLAIN_DATE = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/;

export interface TaskBody {
  readonly [key: string]: unknown;
  readonly id: number;
  readonly target: string;
  readonly status: string;
  readonly added_on: string;
  readonly errors: readonly string[];
  readonly sample: { readonly [key: string]: unknown; readonly id: number; readonly crc32: string };
}

/** What answers hold, as far as tests look into them; which of it is there depends on the path asked. */
export interface Body {
  readonly message: string;
  readonly task_id: number;
  readonly task: TaskBody;
  readonly tasks: readonly TaskBody[];
  readonly sample: {
    readonly [key: string]: unknown;
    readonly id: number;
    readonly sha1: string;
    readonly tasks: number[];
  };
  readonly machine: Readonly<Record<string, unknown>>;
  readonly machines: unknown;
  readonly diskspace: Readonly<
    Record<
      'analyses' | 'binaries' | 'temporary',
      { readonly free: number; readonly total: number; readonly used: number }
    >
  >;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when the type is application/json, else the text. */
  readonly body: Body;
}

export async function ask(api: TestApi, path: string, init?: RequestInit): Promise<Answer> {
  const answer = await fetch(`${api.url}${path}`, init);
  const text = await answer.text();
  const isJson = answer.headers.get('content-type') === 'application/json';
  const body = (isJson ? JSON.parse(text) : text) as Body;
  return { status: answer.status, headers: answer.headers, body };
}

export async function post(api: TestApi, path: string, body: FormData | URLSearchParams): Promise<Answer> {
  return ask(api, path, { method: 'POST', body });
}

export function form(
  fields: Readonly<Record<string, string>>,
  file?: { readonly name: string; readonly content: string | Uint8Array<ArrayBuffer> },
): FormData {
  const data = new FormData();
  if (file) data.append('file', new Blob([file.content]), file.name);
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

/** Submits a file and returns its task's id. */
export async function submit(
  api: TestApi,
  name: string,
  content: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { status, body } = await post(api, '/tasks/create/file', form(fields, { name, content }));
  expect({ status, body }).toEqual({
    status: 200,
    body: { task_id: body.task_id, task_ids: [body.task_id] },
  });
  return body.task_id;
}

/** A multipart body written by hand, as odd clients write it; `lines` with plain line ends, boundary `XX`. */
export async function postRaw(api: TestApi, path: string, lines: string): Promise<Answer> {
  return ask(api, path, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=XX' },
    body: lines.replaceAll('\n', '\r\n'),
  });
}

export async function viewTask(api: TestApi, id: number): Promise<TaskBody> {
  return (await ask(api, `/tasks/view/${id}`)).body.task;
}

/** What a worker would do to the task's row. */
export async function drive(
  { context: { tasks } }: TestApi,
  id: number,
  ...statuses: TaskStatus[]
): Promise<void> {
  for (const to of statuses) {
    const from = (await tasks.status(id)) ?? 'pending';
    if (to === 'running') expect(await tasks.runs.claim(id, 'w', ON)).not.toBeNull();
    else if (from === 'running' && to !== 'recovered') expect(await end(tasks, id, to)).toBe(true);
    else expect(await tasks.move(id, from, to)).toBe(true);
  }
}

async function end(tasks: Tasks, id: number, to: TaskStatus): Promise<boolean> {
  const epoch = (await tasks.runs.of('w')).get(id) ?? 0;
  if (to === 'completed') return tasks.runs.end(id, epoch, { to, outcome: to, route: 'none' });
  if (to === 'pending') return tasks.runs.end(id, epoch, { to, handedBack: true });
  return tasks.runs.end(id, epoch, { to: 'failed_analysis', outcome: 'guest_lost' });
}

/** What a worker would leave in the analysis folder. */
export async function leave(api: TestApi, id: number, name: string, content: string | Buffer): Promise<void> {
  const path = join(analysisDir(api.context.home.analyses, id), name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
}
