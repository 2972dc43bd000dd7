import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ApiDocument } from '../../apps/api/openapi/document-shape.js';
import { SAMPLE_EXAMPLE } from '../../apps/api/tasks/task-examples.js';
import { startApi, type TestApi } from '../support/api.js';
import { ask, form, post, submit } from '../support/api-client.js';
import { startReceiver, type Receiver } from '../support/receiver.js';
import { register } from '../support/webhook-client.js';
import { answerOf, judgeBy, operationsOf, type Judge } from './rest-api/described.js';
import { LINUX1, make, type Given } from './rest-api/world.js';

interface Asked {
  /** As the document has it. */
  readonly operation: string;
  readonly status: number;
  /** The task that `{id}` is. */
  readonly given?: Given;
  /** What the path's other parameters are. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly file?: string;
}

/** At least one request for each operation. */
const ASKED: readonly Asked[] = [
  { operation: 'POST /tasks/create/file', status: 200, file: 'new', fields: { timeout: '5' } },
  { operation: 'POST /tasks/create/file', status: 400, file: 'new', fields: { timeout: 'x' } },
  { operation: 'POST /tasks/create/file', status: 400, fields: { timeout: '5' } },
  { operation: 'POST /tasks/create/url', status: 200, fields: { url: 'http://example.test/' } },
  { operation: 'POST /tasks/create/url', status: 400, fields: {} },
  { operation: 'POST /tasks/create/submit', status: 200, file: 'new', fields: { custom: 'x' } },
  { operation: 'POST /tasks/create/submit', status: 200, fields: { strings: 'example.test\n?' } },
  { operation: 'POST /tasks/create/submit', status: 500, fields: {} },
  { operation: 'GET /tasks/reschedule/{id}', status: 200, given: 'failed' },
  { operation: 'GET /tasks/reschedule/{id}', status: 404, given: 'unknown' },
  { operation: 'GET /tasks/reschedule/{id}', status: 409, given: 'running' },
  { operation: 'GET /tasks/reschedule/{id}/{priority}', status: 200, given: 'url', path: { priority: '2' } },
  { operation: 'GET /tasks/rereport/{id}', status: 200, given: 'reported' },
  { operation: 'GET /tasks/rereport/{id}', status: 404, given: 'unknown' },
  { operation: 'GET /tasks/reboot/{id}', status: 200, given: 'reported' },
  { operation: 'GET /tasks/reboot/{id}', status: 404, given: 'url' },
  { operation: 'GET /tasks/view/{id}', status: 200, given: 'pending' },
  { operation: 'GET /tasks/view/{id}', status: 200, given: 'url' },
  { operation: 'GET /tasks/view/{id}', status: 200, given: 'running' },
  { operation: 'GET /tasks/view/{id}', status: 200, given: 'failed' },
  { operation: 'GET /tasks/view/{id}', status: 200, given: 'reported', query: 'wait=1' },
  { operation: 'GET /tasks/view/{id}', status: 404, given: 'unknown' },
  { operation: 'GET /tasks/delete/{id}', status: 200, given: 'pending' },
  { operation: 'GET /tasks/delete/{id}', status: 404, given: 'unknown' },
  { operation: 'GET /tasks/delete/{id}', status: 500, given: 'running' },
  { operation: 'GET /tasks/list', status: 200 },
  { operation: 'GET /tasks/list', status: 200, query: 'status=reported&ids=1' },
  { operation: 'GET /tasks/list', status: 200, query: 'cursor=&limit=1' },
  { operation: 'GET /tasks/list', status: 400, query: 'completed_after=x' },
  { operation: 'GET /tasks/list/{limit}', status: 200, path: { limit: '2' } },
  { operation: 'GET /tasks/list/{limit}/{offset}', status: 200, path: { limit: '2', offset: '1' } },
  { operation: 'GET /tasks/sample/{id}', status: 200, path: { id: '1' } },
  { operation: 'GET /tasks/report/{id}', status: 200, given: 'reported' },
  { operation: 'GET /tasks/report/{id}', status: 404, given: 'pending' },
  { operation: 'GET /tasks/report/{id}/{format}', status: 200, given: 'reported', path: { format: 'html' } },
  { operation: 'GET /tasks/report/{id}/{format}', status: 200, given: 'reported', path: { format: 'pdf' } },
  { operation: 'GET /tasks/report/{id}/{format}', status: 200, given: 'reported', path: { format: 'maec' } },
  { operation: 'GET /tasks/report/{id}/{format}', status: 200, given: 'reported', path: { format: 'maec5' } },
  { operation: 'GET /tasks/report/{id}/{format}', status: 200, given: 'reported', path: { format: 'all' } },
  { operation: 'GET /tasks/report/{id}/{format}', status: 400, given: 'reported', path: { format: 'doc' } },
  { operation: 'GET /tasks/summary/{id}', status: 200, given: 'reported' },
  { operation: 'GET /tasks/summary/{id}', status: 404, given: 'gone' },
  { operation: 'GET /analysis/{id}/summary', status: 200, given: 'reported' },
  { operation: 'GET /tasks/screenshots/{id}', status: 200, given: 'reported' },
  { operation: 'GET /tasks/screenshots/{id}', status: 404, given: 'gone' },
  { operation: 'GET /tasks/screenshots/{id}/{shot}', status: 200, given: 'reported', path: { shot: '0001' } },
  { operation: 'GET /tasks/screenshots/{id}/{shot}', status: 404, given: 'reported', path: { shot: '9' } },
  { operation: 'POST /tasks/cancel/{id}', status: 200, given: 'pending' },
  { operation: 'POST /tasks/cancel/{id}', status: 404, given: 'unknown' },
  { operation: 'POST /tasks/cancel/{id}', status: 409, given: 'reported' },
  { operation: 'GET /tasks/failed', status: 200 },
  { operation: 'GET /tasks/failed', status: 400, query: 'since=x' },
  { operation: 'POST /tasks/retry/{id}', status: 200, given: 'failed' },
  { operation: 'POST /tasks/retry/{id}', status: 404, given: 'unknown' },
  { operation: 'POST /tasks/retry/{id}', status: 409, given: 'reported' },
  { operation: 'POST /tasks/retry', status: 200, fields: { ids: '999998,999999' } },
  { operation: 'POST /tasks/retry', status: 400, fields: {} },
  { operation: 'GET /tasks/explain/{id}', status: 200, given: 'pending' },
  { operation: 'GET /tasks/explain/{id}', status: 200, given: 'reported' },
  { operation: 'GET /tasks/explain/{id}', status: 404, given: 'unknown' },
  { operation: 'GET /tasks/events', status: 400, query: 'last_event_id=x' },
  { operation: 'GET /tasks/events/{id}', status: 200, given: 'reported' },
  { operation: 'GET /tasks/events/{id}', status: 404, given: 'unknown' },
  { operation: 'GET /pcap/get/{id}', status: 200, given: 'reported' },
  { operation: 'GET /pcap/get/{id}', status: 404, given: 'bare' },
  { operation: 'GET /memory/list/{id}', status: 200, given: 'reported' },
  { operation: 'GET /memory/list/{id}', status: 404, given: 'bare' },
  { operation: 'GET /memory/get/{id}/{name}', status: 200, given: 'reported', path: { name: '1908-1' } },
  { operation: 'GET /memory/get/{id}/{name}', status: 404, given: 'reported', path: { name: '7' } },
  { operation: 'GET /full_memory/{id}', status: 200, given: 'reported' },
  { operation: 'GET /files/view/{kind}/{value}', status: 200, path: { kind: 'id', value: '1' } },
  { operation: 'GET /files/view/{kind}/{value}', status: 400, path: { kind: 'name', value: '1' } },
  { operation: 'GET /files/view/{kind}/{value}', status: 404, path: { kind: 'id', value: '999' } },
  { operation: 'GET /files/get/{sha256}', status: 200, path: { sha256: SAMPLE_EXAMPLE.sha256 } },
  { operation: 'GET /files/get/{sha256}', status: 404, path: { sha256: '0' } },
  { operation: 'GET /machines/list', status: 200 },
  { operation: 'GET /machines/view/{name}', status: 200, path: { name: 'linux1' } },
  { operation: 'GET /machines/view/{name}', status: 404, path: { name: 'none' } },
  { operation: 'GET /machines/states', status: 200 },
  { operation: 'GET /machines/state/{name}', status: 200, path: { name: 'linux1' } },
  { operation: 'GET /machines/state/{name}', status: 404, path: { name: 'none' } },
  { operation: 'POST /machines/disable/{name}', status: 200, path: { name: 'linux1' } },
  { operation: 'POST /machines/disable/{name}', status: 404, path: { name: 'none' } },
  { operation: 'POST /machines/enable/{name}', status: 200, path: { name: 'linux1' } },
  { operation: 'POST /machines/enable/{name}', status: 404, path: { name: 'none' } },
  { operation: 'POST /machines/test/{name}', status: 200, path: { name: 'linux1' } },
  { operation: 'POST /machines/test/{name}', status: 400, path: { name: 'linux1' }, query: 'wait=x' },
  { operation: 'POST /machines/test/{name}', status: 404, path: { name: 'none' } },
  { operation: 'GET /machines/tests/{id}', status: 200, path: { id: 'asked' } },
  { operation: 'GET /machines/tests/{id}', status: 404, path: { id: 'none' } },
  { operation: 'GET /workers/list', status: 200 },
  { operation: 'POST /workers/drain/{name}', status: 200, path: { name: 'host' } },
  { operation: 'POST /workers/drain/{name}', status: 404, path: { name: 'none' } },
  { operation: 'GET /scheduler/status', status: 200 },
  { operation: 'GET /cuckoo/status', status: 200 },
  { operation: 'GET /health/live', status: 200 },
  { operation: 'GET /health/ready', status: 503 },
  { operation: 'GET /metrics', status: 200 },
  { operation: 'GET /vpn/status', status: 500 },
  { operation: 'GET /exit', status: 403 },
  {
    operation: 'POST /webhooks',
    status: 200,
    fields: { url: 'http://127.0.0.1:9', events: 'task.recovered' },
  },
  { operation: 'POST /webhooks', status: 400, fields: { url: 'x' } },
  { operation: 'GET /webhooks', status: 200 },
  { operation: 'GET /webhooks/{id}/deliveries', status: 200, path: { id: '1' } },
  { operation: 'GET /webhooks/{id}/deliveries', status: 400, path: { id: '1' }, query: 'limit=0' },
  { operation: 'GET /webhooks/{id}/deliveries', status: 404, path: { id: '99' } },
  { operation: 'POST /webhooks/deliveries/{id}/redeliver', status: 200, path: { id: '1' } },
  { operation: 'POST /webhooks/deliveries/{id}/redeliver', status: 404, path: { id: '99' } },
  { operation: 'DELETE /webhooks/{id}', status: 200, path: { id: '1' } },
  { operation: 'DELETE /webhooks/{id}', status: 404, path: { id: '99' } },
  { operation: 'GET /openapi.json', status: 200 },
  { operation: 'GET /docs', status: 200 },
];

let api: TestApi;
let document: ApiDocument;
let faultsOf: Judge;
let receiver: Receiver;

describe('answers are as the OpenAPI document says', () => {
  beforeAll(async () => {
    api = await startApi('[webhooks]\nallow_private = yes\n');
    await submit(api, 'invoice.sh', '#!/bin/sh\nid\n');
    receiver = await startReceiver();
    await register(api, receiver.url, { events: 'task.failed_analysis' });
    await make(api, 'failed');
    await receiver.count(1);
    document = (await (await fetch(`${api.url}/openapi.json`)).json()) as ApiDocument;
    faultsOf = judgeBy(document);
    const { machines, workers, queues } = api.context;
    await workers.register({ id: 'host/1/1', name: 'host', host: 'host', version: '0.0.1' });
    await machines.register('host/1/1', [LINUX1]);
    const test = {
      ...{ machine: 'linux1', askedOn: new Date().toISOString() },
      result: { phases: { restore: 3 }, failed: { phase: 'start', reason: 'no' } },
    };
    await queues.redis.set('malkoha:machine-test:asked', JSON.stringify(test));
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  test.each(ASKED.map((asked) => [nameOf(asked), asked] as const))('%s', async (_, asked) => {
    const operation = operationsOf(document).get(asked.operation);
    const described = operation && answerOf(document, operation, asked.status);
    const answer = await request(asked);
    expect(answer.status).toBe(asked.status);
    const type = answer.headers.get('content-type') ?? '';
    expect(Object.keys(described?.content ?? {})).toContain(type);
    const text = await answer.text();
    const schema = described?.content?.[type]?.schema;
    if (/json$/.test(type) && schema) expect(faultsOf(schema, JSON.parse(text))).toEqual([]);
    const name = described?.headers?.['Content-Disposition']?.example;
    if (name !== undefined)
      expect(answer.headers.get('content-disposition')?.replace(/"\d+-(?=\D)/, '"1-')).toBe(name);
  });

  test('each operation was asked', () => {
    const asked = new Set(ASKED.map(({ operation }) => operation));
    expect([...operationsOf(document).keys()].filter((one) => !asked.has(one))).toEqual([]);
  });

  test('an error is a Problem for who wants one', async () => {
    const answer = await fetch(`${api.url}/tasks/view/9999`, {
      headers: { accept: 'application/problem+json' },
    });
    const schema = document.components.schemas['Problem'];
    expect(schema && faultsOf(schema, await answer.json())).toEqual([]);
  });

  test('a task that ran is a Task, with its machine', async () => {
    const id = await make(api, 'completed');
    const { task } = (await ask(api, `/tasks/view/${id}`)).body;
    expect(task['guest']).toMatchObject({ task_id: id });
    const schema = document.components.schemas['Task'];
    expect(schema && faultsOf(schema, task)).toEqual([]);
  });

  test('a report is a Report', async () => {
    const id = await make(api, 'reported');
    const schema = document.components.schemas['Report'];
    expect(schema && faultsOf(schema, (await ask(api, `/tasks/report/${id}`)).body)).toEqual([]);
  });

  test('the events of all tasks are a stream that does not end', async () => {
    const ended = new AbortController();
    const answer = await fetch(`${api.url}/tasks/events`, { signal: ended.signal });
    const operation = operationsOf(document).get('GET /tasks/events');
    const described = operation && answerOf(document, operation, answer.status);
    expect(Object.keys(described?.content ?? {})).toEqual([answer.headers.get('content-type')]);
    ended.abort();
  });

  test('what a webhook is sent is a WebhookMessage', async () => {
    const [sent] = receiver.received;
    const schema = document.components.schemas['WebhookMessage'];
    expect(schema && faultsOf(schema, JSON.parse(sent?.body ?? ''))).toEqual([]);
  });

  test('the sample of the examples is what this API says of it', async () => {
    const { body } = await ask(api, `/files/view/sha256/${SAMPLE_EXAMPLE.sha256}`);
    expect(body.sample).toEqual({ ...SAMPLE_EXAMPLE, tasks: [SAMPLE_EXAMPLE.id] });
  });

  test('each form field takes its example, and the task says it', async () => {
    const { requestBody } = operationsOf(document).get('POST /tasks/create/file') ?? {};
    const { properties = {} } = requestBody?.content['multipart/form-data']?.schema as {
      readonly properties?: Readonly<Record<string, { readonly examples?: readonly unknown[] }>>;
    };
    const examples = Object.entries(properties).flatMap(([name, { examples = [] }]) =>
      examples.slice(0, 1).map((example) => [name, example] as const),
    );
    expect(examples.length).toBe(Object.keys(properties).length - 1); // all but the file
    const fields = Object.fromEntries(examples.map(([name, example]) => [name, String(example)]));
    const { status, body } = await post(
      api,
      '/tasks/create/file',
      form(fields, { name: 'a', content: 'all' }),
    );
    expect(status).toBe(200);
    const { task } = (await ask(api, `/tasks/view/${body.task_id}`)).body;
    const { unique: _, arch, ...wanted } = Object.fromEntries(examples);
    expect((await api.context.tasks.get(body.task_id)).arch).toBe(arch); // Cuckoo's task has no key for it
    expect(task).toMatchObject({ ...wanted, tags: ['x64', 'office'], clock: '2026-12-31 23:59:00' });
  });
});

function nameOf({ operation, status, given, path = {}, query = '', fields = {} }: Asked): string {
  const said = [given ?? '', query, ...Object.values(path), ...Object.values(fields)].filter(
    (one) => one !== '',
  );
  return `${operation} ${status} (${said.join(' ')})`;
}

async function request({ operation, given, path = {}, query = '', fields, file }: Asked): Promise<Response> {
  const [method = '', template = ''] = operation.split(' ');
  const all = { ...path, ...(given && { id: String(await make(api, given)) }) } as Record<string, string>;
  const url = `${api.url}${template.replace(/\{(\w+)\}/g, (_, name: string) => all[name] ?? '')}?${query}`;
  if (!fields) return fetch(url, { method });
  return fetch(url, {
    method,
    body: form(fields, file === undefined ? undefined : { name: file, content: file }),
  });
}
