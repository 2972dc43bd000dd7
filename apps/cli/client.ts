import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import { isErrorCode, SandboxError } from '#domain/errors.js';
import { parseJson } from '../json.js';
import type { Address } from './address.js';
import * as answers from './answers.js';
import { messages } from '#formats/sse.js';

/** Form fields of a submission, as the REST API names them. */
export type Fields = Readonly<Record<string, string>>;

export interface Download {
  /** The media type, without parameters. */
  readonly type: string;
  readonly body: AsyncIterable<Uint8Array>;
}

interface ListQuery {
  readonly status: string | undefined;
  readonly owner: string | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** Milliseconds a daemon on a busy host may take to say that it is there. */
const ANSWER_MS = 5000;
/** What the Distributed API says it is. */
const DISTRIBUTED_SERVER = 'Distributed Machete Server';
/** Characters. */
const LINE_LIMIT = 1024 * 1024;

/** The REST API as any client sees it. `signal` ends every request. */
export class Client {
  constructor(
    private readonly address: Address,
    private readonly signal: AbortSignal,
  ) {}

  get url(): string {
    return this.address.url;
  }

  /** Streams the file: it is never whole in memory. @throws BAD_REQUEST with the server's sentence */
  async submitFile(path: string, fields: Fields): Promise<number> {
    const boundary = `malkoha-${crypto.randomUUID()}`;
    const { size } = await stat(path);
    const head = Buffer.from(`${formFields(boundary, fields)}${fileHeader(boundary, basename(path))}`);
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
    const body = Readable.toWeb(Readable.from(concat(head, createReadStream(path), tail)));
    const headers = {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + size + tail.length),
    };
    const init = { method: 'POST', headers, body, duplex: 'half' } as const;
    return (await this.ask('/tasks/create/file', answers.created, init)).task_id;
  }

  async submitUrl(url: string, fields: Fields): Promise<number> {
    const body = new URLSearchParams({ ...fields, url });
    return (await this.ask('/tasks/create/url', answers.created, { method: 'POST', body })).task_id;
  }

  /** Unfinished tasks first, then in the order in which they were completed. */
  async list({ status, owner, limit, offset }: ListQuery): Promise<z.infer<typeof answers.taskList>> {
    const query = new URLSearchParams({ ...(status && { status }), ...(owner && { owner }) });
    return this.ask(`/tasks/list/${limit}/${offset}?${query.toString()}`, answers.taskList);
  }

  /** The task now, or as soon as its status changes within `waitSeconds`. */
  async view(task: number, waitSeconds = 0): Promise<answers.TaskBody> {
    return (await this.ask(`/tasks/view/${task}?wait=${waitSeconds}`, answers.taskView)).task;
  }

  async cancel(task: number): Promise<object> {
    return this.ask(`/tasks/cancel/${task}`, answers.ok, { method: 'POST' });
  }

  async delete(task: number): Promise<object> {
    return this.ask(`/tasks/delete/${task}`, answers.ok);
  }

  /** Why it waits, and how long it still may. */
  async explain(task: number): Promise<z.infer<typeof answers.explanation>> {
    return this.ask(`/tasks/explain/${task}`, answers.explanation);
  }

  async status(): Promise<z.infer<typeof answers.daemonStatus>> {
    return this.ask('/cuckoo/status', answers.daemonStatus);
  }

  /** Is a daemon there? One that wants a token is. */
  async answers(): Promise<boolean> {
    try {
      const signal = AbortSignal.any([this.signal, AbortSignal.timeout(ANSWER_MS)]);
      await fetch(`${this.url}/cuckoo/status`, { signal });
      return true;
    } catch {
      this.signal.throwIfAborted();
      return false;
    }
  }

  /** Tasks that have not ended. */
  async unfinished(): Promise<number> {
    const { tasks } = await this.status();
    return tasks.pending + tasks.running + tasks.completed;
  }

  /** As it streams in: an archive may be large. */
  async report(task: number, format: string): Promise<Download> {
    const answer = await this.#send(`/tasks/report/${task}/${format}`);
    const [type = ''] = (answer.headers.get('content-type') ?? '').split(';');
    return { type: type.trim(), body: this.#body(answer) };
  }

  async jsonReport(task: number): Promise<string> {
    return (await this.#send(`/tasks/report/${task}/json`)).text();
  }

  /**
   * State and phase changes of one task, or of all: those after `lastId`, else from now on, until the server or
   * `signal` ends them.
   */
  async *events(
    task: number | null,
    lastId: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly id: string | null; readonly event: answers.TaskEvent | null }> {
    const headers = lastId === null ? {} : { 'last-event-id': lastId };
    const answer = await this.#send(`/tasks/events${task === null ? '' : `/${task}`}`, { signal, headers });
    for await (const { id, data } of messages(decoded(this.#body(answer)))) {
      yield { id, event: data === null ? null : this.#checked(answers.taskEvent, data) };
    }
  }

  /** @throws what the server says; DAEMON_UNREACHABLE when it is none of ours */
  async ask<S extends z.ZodType>(path: string, schema: S, init?: Init): Promise<z.infer<S>> {
    const answer = await this.#send(path, init);
    return this.#checked(schema, await answer.text());
  }

  /** Of an answer in lines of JSON, each as it comes; empty ones only keep the connection alive. */
  async *lines<S extends z.ZodType>(path: string, schema: S, init?: Init): AsyncGenerator<z.infer<S>> {
    const answer = await this.#send(path, init);
    let rest = '';
    for await (const text of decoded(this.#body(answer))) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LINE_LIMIT) throw this.#foreign('a line without an end');
      for (const line of lines) if (line.trim() !== '') yield this.#checked(schema, line);
    }
    if (rest.trim() !== '') yield this.#checked(schema, rest);
  }

  #checked<S extends z.ZodType>(schema: S, text: string): z.infer<S> {
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    const { path = [], message = '' } = parsed.error.issues[0] ?? {};
    throw this.#foreign([...path, message].join(': '));
  }

  /** The connection may end in the middle, when the daemon does. */
  async *#body(answer: Response): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of answer.body ?? []) yield chunk as Uint8Array;
    } catch (cause) {
      this.signal.throwIfAborted();
      throw new SandboxError('DAEMON_UNREACHABLE', `${this.url} ended the connection early`, { cause });
    }
  }

  async #send(path: string, init: Init = {}): Promise<Response> {
    const headers = new Headers({ accept: 'application/problem+json, */*', ...init.headers });
    if (this.address.token !== undefined) headers.set('authorization', `Bearer ${this.address.token}`);
    const signal = init.signal ? AbortSignal.any([this.signal, init.signal]) : this.signal;
    let answer: Response;
    try {
      answer = await fetch(`${this.url}${path}`, { ...init, headers, signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw new SandboxError('DAEMON_UNREACHABLE', `no answer from ${this.url}`, { cause });
    }
    if (answer.ok) return answer;
    const problem = answers.problem.safeParse(parseJson(await answer.text()));
    if (
      answer.status === 404 &&
      answer.headers.get('server') === DISTRIBUTED_SERVER &&
      !path.startsWith('/api/')
    )
      throw new SandboxError('USAGE', this.#isDistributed());
    if (!problem.success) throw this.#foreign(`${answer.status} from ${path}`);
    throw refusal(answer.status, path, problem.data);
  }

  #isDistributed(): string {
    return (
      `${this.url} is the Distributed API, not the daemon of a lab: \`malkoha node list\` tells of its nodes, ` +
      `GET ${this.url}/task?status=failed (or pending) of its tasks`
    );
  }

  /** Whatever listens there, it is no Malkoha and no Cuckoo. */
  #foreign(why: string): SandboxError {
    return new SandboxError('DAEMON_UNREACHABLE', `${this.url} does not speak this REST API (${why})`);
  }
}

/** A no that says itself what to do about it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface Init {
  readonly method?: 'POST' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
  readonly duplex?: 'half';
  readonly signal?: AbortSignal;
}

/** What kind of no it was decides what a person is told to do; without a code it says that itself. */
function refusal(status: number, path: string, { message, code }: z.infer<typeof answers.problem>): Error {
  const task = /^\/tasks\/\w+\/(\d+)/.exec(path)?.[1];
  if (status === 404 && task !== undefined && message === 'Task not found')
    return new SandboxError('TASK_NOT_FOUND', `there is no task ${task}`);
  // What a node said, or did not: who asked on its behalf is no news.
  if (isErrorCode(code) && code.startsWith('NODE_')) return new SandboxError(code, message);
  const text = `${message} (${status} from ${path.replace(/\?.*/s, '')})`;
  return isErrorCode(code) ? new SandboxError(code, text) : new Refusal(status, text);
}

async function* decoded(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
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
