import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { type ErrorCode, SandboxError, reason } from '#domain/errors.js';
import type { TaskStatus } from '#domain/task.js';
import { TASK_STATUSES } from '#domain/task.js';

export interface Address {
  /** e.g. http://127.0.0.1:8090 */
  readonly url: string;
  readonly token: string | undefined;
}

/** Form fields of a submission, as the REST API names them. */
export type Fields = Readonly<Record<string, string>>;

const created = z.object({ task_id: z.int() });
const problem = z.object({ message: z.string() });
const viewed = z.object({
  task: z.object({
    id: z.int(),
    status: z.enum(TASK_STATUSES),
    errors: z.array(z.string()),
    guest: z.object({ name: z.string().optional() }),
  }),
});
const counted = z.object({
  tasks: z.object({ pending: z.int(), running: z.int(), completed: z.int() }),
});
const event = z.object({
  task: z.int(),
  kind: z.enum(['status', 'phase']),
  status: z.enum(TASK_STATUSES).optional(),
  phase: z.string().optional(),
  ms: z.number().optional(),
  machine: z.string().optional(),
});

export type TaskEvent = z.infer<typeof event>;
export type TaskView = z.infer<typeof viewed>['task'];

/** Milliseconds a daemon on a busy host may take to say that it is there. */
const ANSWER_MS = 5000;

/** The REST API as any client sees it. */
export class Client {
  constructor(private readonly address: Address) {}

  /** Streams the file: it is never whole in memory. @throws BAD_REQUEST with the server's sentence */
  async submitFile(path: string, fields: Fields): Promise<number> {
    const boundary = `malkoha-${crypto.randomUUID()}`;
    const { size } = await stat(path);
    const head = Buffer.from(`${formFields(boundary, fields)}${fileHeader(boundary, basename(path))}`);
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
    const body = Readable.toWeb(Readable.from(concat(head, createReadStream(path), tail)));
    const answer = await this.#send('/tasks/create/file', {
      method: 'POST',
      headers: {
        'content-type': `multipart/form-data; boundary=${boundary}`,
        'content-length': String(head.length + size + tail.length),
      },
      body,
      duplex: 'half',
    });
    return created.parse(await answer.json()).task_id;
  }

  async submitUrl(url: string, fields: Fields): Promise<number> {
    const body = new URLSearchParams({ ...fields, url });
    const answer = await this.#send('/tasks/create/url', { method: 'POST', body });
    return created.parse(await answer.json()).task_id;
  }

  /** The task now, or as soon as its status changes within `waitSeconds`. */
  async view(task: number, waitSeconds: number, signal: AbortSignal): Promise<TaskView> {
    const answer = await this.#send(`/tasks/view/${task}?wait=${waitSeconds}`, { signal });
    return viewed.parse(await answer.json()).task;
  }

  /** Is a daemon there? One that wants a token is. */
  async answers(): Promise<boolean> {
    try {
      await fetch(`${this.address.url}/cuckoo/status`, { signal: AbortSignal.timeout(ANSWER_MS) });
      return true;
    } catch {
      return false;
    }
  }

  /** Tasks that have not ended. */
  async unfinished(): Promise<number> {
    const { tasks } = counted.parse(await (await this.#send('/cuckoo/status')).json());
    return tasks.pending + tasks.running + tasks.completed;
  }

  async report(task: number, format: 'json' | 'html'): Promise<string> {
    return (await this.#send(`/tasks/report/${task}/${format}`)).text();
  }

  /** State and phase changes of one task, from now on, until the server or `signal` ends them. */
  async *events(task: number, signal: AbortSignal): AsyncGenerator<TaskEvent> {
    const answer = await this.#send(`/tasks/events/${task}`, { signal });
    let text = '';
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const messages = text.split('\n\n');
      text = messages.pop() ?? '';
      for (const message of messages) {
        const data = message.split('\n').find((line) => line.startsWith('data:'));
        if (data !== undefined) yield event.parse(JSON.parse(data.slice('data:'.length)));
      }
    }
  }

  async #send(path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.address.token !== undefined) headers.set('authorization', `Bearer ${this.address.token}`);
    let answer: Response;
    try {
      answer = await fetch(`${this.address.url}${path}`, { ...init, headers });
    } catch (cause) {
      init.signal?.throwIfAborted();
      throw new SandboxError('DAEMON_UNREACHABLE', `no answer from ${this.address.url}`, { cause });
    }
    if (answer.ok) return answer;
    throw new SandboxError(codeOf(answer.status), `${path}: ${answer.status} ${await sentence(answer)}`);
  }
}

/** What kind of no it was decides what a person is told to do. */
function codeOf(status: number): ErrorCode {
  if (status === 507) return 'NO_DISK_SPACE';
  if (status === 413) return 'UPLOAD_TOO_LARGE';
  if (status === 401) return 'TOKEN_NEEDED';
  if (status === 403) return 'SCOPE_MISSING';
  if (status === 429) return 'RATE_LIMITED';
  if (status === 408) return 'REQUEST_TOO_SLOW';
  return status >= 500 ? 'INTERNAL' : 'BAD_REQUEST';
}

async function sentence(answer: Response): Promise<string> {
  try {
    return problem.parse(await answer.json()).message;
  } catch (cause) {
    return `the answer is no error of ours (${reason(cause).slice(0, 80)})`;
  }
}

function formFields(boundary: string, fields: Fields): string {
  return Object.entries(fields)
    .map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    )
    .join('');
}

function fileHeader(boundary: string, name: string): string {
  const quoted = name.replace(/["\r\n]/g, (character) => encodeURIComponent(character));
  return `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
}

async function* concat(head: Buffer, body: AsyncIterable<Buffer>, tail: Buffer): AsyncGenerator<Buffer> {
  yield head;
  yield* body;
  yield tail;
}

export function hasFailed(status: TaskStatus): boolean {
  return status.startsWith('failed') || status === 'recovered';
}
