import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { KeptReport } from '#distribution/tasks.js';
import type { TestDistributed } from './distributed-api.js';

export interface TaskBody {
  readonly [key: string]: unknown;
  readonly path: string;
}

/** What answers hold, as far as tests look into them; which of it is there depends on the path asked. */
export interface Body {
  readonly message: string;
  readonly success: boolean;
  readonly task_id: number;
  readonly tasks: Readonly<Record<number, TaskBody>>;
  readonly nodes: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly machines: unknown;
}

export interface Said {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when it is JSON, else the text. */
  readonly body: Body;
}

export type Fields = Readonly<Record<string, string | readonly string[]>>;

export async function say(api: TestDistributed, request: string, init: RequestInit = {}): Promise<Said> {
  const [method = '', path = ''] = request.split(' ');
  const answer = await fetch(`${api.url}${path}`, { method, ...init });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type') === 'application/json';
  const body = (isJson ? JSON.parse(text) : text) as Body;
  return { status: answer.status, headers: answer.headers, body };
}

/** A form, with a file when `file` is given: its text. */
export function form(fields: Fields, file?: string, name = 'a.exe'): RequestInit {
  const body = new FormData();
  if (file !== undefined) body.append('file', new Blob([file]), name);
  for (const [key, values] of Object.entries(fields))
    for (const value of [values].flat()) body.append(key, value);
  return { body };
}

/** One task of an answer. */
export function taskIn({ tasks }: Body, id: number): TaskBody {
  const task = tasks[id];
  if (!task) throw new Error(`the answer has no task ${id}`);
  return task;
}

/** Submits a file and returns its task's id. */
export async function submitFile(api: TestDistributed, text: string, fields: Fields = {}): Promise<number> {
  const { status, body } = await say(api, 'POST /task', form(fields, text));
  if (status !== 200) throw new Error(`not submitted: ${JSON.stringify(body)} ${api.log.join()}`);
  return body.task_id;
}

/** A task as the engine would have brought it to a node: `processing`, with this id there. */
export async function process(
  { context: { tasks } }: TestDistributed,
  id: number,
  nodeId: number,
  remoteId: number,
): Promise<DistTaskRow> {
  let row = await tasks.find(id);
  for (const state of ['assigned', 'sending', 'processing'] as const) {
    if (!row) break;
    row = await tasks.move(row, state, { nodeId, ...(state === 'processing' && { remoteId }) });
  }
  if (!row) throw new Error(`task ${id} did not move`);
  return row;
}

/** Puts reports where the engine would, and returns what it would note of them. */
export async function leaveReports(
  { context: { reports } }: TestDistributed,
  id: number,
  texts: Readonly<Record<string, string>>,
): Promise<KeptReport[]> {
  const kept: KeptReport[] = [];
  for (const [format, text] of Object.entries(texts)) {
    const temporary = await reports.temporary(id, format);
    await writeFile(temporary, text);
    await reports.keep(temporary, id, format);
    const sha256 = createHash('sha256').update(text).digest('hex');
    kept.push({ format, size: Buffer.byteLength(text), sha256 });
  }
  return kept;
}

/** A task with these reports, finished. */
export async function finish(
  api: TestDistributed,
  id: number,
  nodeId: number,
  texts: Readonly<Record<string, string>>,
): Promise<void> {
  const { tasks } = api.context;
  const task = await process(api, id, nodeId, 70 + id);
  const fetching = await tasks.move(task, 'fetching', { startedOn: new Date(2024, 0, 2, 3, 4, 5) });
  if (!fetching || !(await tasks.finish(fetching, await leaveReports(api, id, texts))))
    throw new Error(`task ${id} did not finish`);
}
