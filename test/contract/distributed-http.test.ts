import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Health } from '../../apps/http/readiness.js';
import { startDistributed, type TestDistributed } from '../support/distributed-api.js';
import { finish, form, say, submitFile } from '../support/distributed-client.js';
import { startRedis, type TestRedis } from '../support/redis.js';
import { until } from '../support/until.js';

const SERVER = 'Distributed Machete Server';
const TOKENS = `[tokens]
siem = read a-token-that-may-read
mail = submit a-token-that-may-submit
ops = admin a-token-that-may-do-all
lab = read,download a-token-that-may-download
`;
const as = (name: string): RequestInit => ({ headers: { authorization: `Bearer a-token-that-may-${name}` } });

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

const auditOf = ({ log }: TestDistributed): readonly object[] =>
  log.filter((line) => line.startsWith('info: audit')).map((line) => JSON.parse(line.slice(12)) as object);

describe('HTTP of the Distributed API', () => {
  const start = (conf = ''): Promise<TestDistributed> =>
    startDistributed({ db: 'sqlite:///dist.db', redis: redis.redis, conf });

  test('every answer has the headers of 2.0.7, and each presentation its own form of errors', async () => {
    await using api = await start();
    for (const [request, status, body] of [
      ['GET /nothing', 404, { success: false, message: 'Not found', status: 404 }],
      ['GET /api/nothing', 404, { success: false, message: 'Not found' }],
      ['GET /api/v1/nothing', 404, { success: false, message: 'Not found' }],
      ['POST /task/1', 405, { success: false, message: 'Method not allowed', status: 405 }],
      ['PATCH /api//task/', 405, { success: false, message: 'Method not allowed' }],
    ] as const) {
      const answer = await say(api, request);
      expect([request, answer.status, answer.body]).toEqual([request, status, body]);
      expect(answer.headers.get('server')).toBe(SERVER);
      expect(answer.headers.get('x-frame-options')).toBe('DENY');
      expect(answer.headers.get('cache-control')).toBe('no-cache');
    }
    expect((await say(api, 'PATCH /task')).headers.get('allow')).toBe('GET, HEAD, POST');
    const problem = await fetch(`${api.url}/api/task/1`, {
      headers: { accept: 'application/problem+json' },
    });
    expect(await problem.json()).toMatchObject({ status: 404, detail: 'Task not found' });
    const { headers } = await say(api, 'GET //api/v1/node/');
    expect([headers.get('server'), headers.get('content-type')]).toEqual([SERVER, 'application/json']);
  });

  test('bytes that are no HTTP are answered in its form', async () => {
    await using api = await start();
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.end('no HTTP\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toContain(`server: ${SERVER}`);
    expect(answer).toContain('{"success":false,"message":"The request is not HTTP","status":400}');
  });

  test('each route needs the scope that is written beside it', async () => {
    await using api = await start(TOKENS);
    const status = async (request: string, init?: RequestInit) => (await say(api, request, init)).status;
    for (const path of ['GET /node', 'GET /api/task', 'GET /report/1', 'GET /nothing', 'GET /metrics'])
      expect([path, await status(path)]).toEqual([path, 401]);
    for (const path of ['GET /node', 'GET /api/task', 'GET /metrics'])
      expect([path, await status(path, as('read'))]).toEqual([path, 200]);
    expect(await status('POST /task', { ...as('read'), ...form({}, 'a') })).toBe(403);
    expect(await status('POST /task', { ...as('submit'), ...form({}, 'a') })).toBe(200);
    expect(await status('GET /task', as('submit'))).toBe(403);
    for (const request of [
      'DELETE /task/1',
      'DELETE /api/tasks',
      'POST /node',
      'PUT /node/n',
      'DELETE /node/n',
    ]) {
      expect([request, await status(request, as('submit'))]).toEqual([request, 403]);
      expect([request, await status(request, as('read'))]).toEqual([request, 403]);
    }
    for (const request of ['POST /api/node/n/refresh', 'POST /api/node/n/remove'])
      expect([request, await status(request, as('submit'))]).toEqual([request, 403]);
    const node = {
      name: 'n',
      url: 'http://n.test/',
      token: null,
      dialect: 'cuckoo',
      mode: 'normal',
      enabled: true,
    };
    const row = await api.context.nodes.add(node, []);
    await finish(api, 1, row?.id ?? 0, {
      json: '{}',
      maec: 'x',
      all: 'BZh',
      lite: 'PK',
      dist: 'BZh',
      mine: 'x',
      pcap: 'x',
    });
    for (const path of ['GET /report/1', 'GET /report/1/json', 'GET /api/report/1/MAEC'])
      expect([path, await status(path, as('read'))]).toEqual([path, 200]);
    const bundles = ['all', 'lite', 'Dist', 'mine', 'pcap'].map((format) => `GET /api/report/1/${format}`);
    for (const path of ['GET /report/1/all', ...bundles, 'GET /api/pcap/1']) {
      expect([path, await status(path, as('read'))]).toEqual([path, 403]);
      expect([path, await status(path, as('download'))]).toEqual([path, 200]);
    }
    expect(await status('DELETE /task/1', as('do-all'))).toBe(200);
    const audit = auditOf(api);
    expect(audit).toContainEqual(
      expect.objectContaining({ token: 'mail', method: 'POST', path: '/task', made: [1], status: 200 }),
    );
    const lab1 = form({ name: 'lab1', url: 'http://127.0.0.1:9/' });
    expect(await status('POST /node', { ...as('do-all'), ...lab1 })).toBe(404);
    expect(await status('DELETE /api/node/n', as('do-all'))).toBe(200);
    const lines = auditOf(api);
    for (const [path, node] of [
      ['/node', 'lab1'],
      ['/api/node/:name', 'n'],
    ])
      expect(lines).toContainEqual(expect.objectContaining({ path, node }));
    expect(lines).toContainEqual(expect.not.objectContaining({ node: expect.anything() }));
    expect(audit).toContainEqual(
      expect.objectContaining({ token: 'ops', method: 'DELETE', path: '/task/:id', task: 1, status: 200 }),
    );
  });

  test('a page of another site may not submit', async () => {
    await using api = await start();
    const { status } = await say(api, 'POST /task', {
      ...form({}, 'a'),
      headers: { origin: 'http://evil.test' },
    });
    expect(status).toBe(403);
    expect(await api.context.tasks.find(1)).toBeNull();
  });

  test('is live, and ready while database, Redis and disk are', async () => {
    await using own = await startRedis();
    await using api = await startDistributed({ db: 'sqlite:///dist.db', redis: own.redis });
    expect((await say(api, 'GET /health/live')).body).toEqual({ status: 'live' });
    const { status, body } = await say(api, 'GET /health/ready');
    expect([status, body]).toEqual([
      200,
      {
        status: 'ready',
        checks: {
          database: { ok: true, ms: expect.any(Number) },
          redis: expect.anything(),
          disk: expect.anything(),
        },
        warnings: ['no node is enabled: tasks wait'],
      },
    ]);
    const { reportsDirectory } = api.context.settings;
    await rm(reportsDirectory, { recursive: true });
    await writeFile(reportsDirectory, '');
    await until(async () => {
      const { checks } = (await say(api, 'GET /health/ready')).body as unknown as Health;
      return checks['disk']?.why === `nothing can be written to ${reportsDirectory}: EEXIST`;
    });
    await own[Symbol.asyncDispose]();
    await until(async () => (await say(api, 'GET /health/ready')).status === 503);
  });

  test('counts tasks, nodes and requests', async () => {
    await using api = await start();
    await submitFile(api, 'a');
    const { body } = await say(api, 'GET /metrics');
    expect(body).toMatch(/^malkoha_dist_tasks\{status="pending"\} 1$/m);
    expect(body).not.toContain('malkoha_node_'); // there is none
    expect(body).toMatch(/^malkoha_health\{check="redis"\} 1$/m);
    expect(body).toMatch(/^malkoha_http_request_seconds_count\{.*route="\/task".*\} 1$/m);
    expect(body).toMatch(/^malkoha_resident_memory_bytes\{process="distributed"\} \d+$/m);
  });

  test('no path, query or form is answered with a 5xx', async () => {
    await using api = await start();
    await submitFile(api, 'a');
    const word = fc.oneof(
      fc.constantFrom(
        ...['node', 'task', 'tasks', 'report', 'pcap', 'api', 'v1', '1', 'n1', 'json', 'refresh'],
      ),
      fc.string({ unit: 'binary', maxLength: 8 }).map(encodeURIComponentSafely),
    );
    const field = fc.constantFrom(
      ...[
        'name',
        'url',
        'ip',
        'mode',
        'token',
        'dialect',
        'enabled',
        'tags',
        'clock',
        'task_ids',
        'force',
        'node',
      ],
      ...['limit', 'offset', 'finished', 'status', 'owner', 'priority', '__proto__'],
    );
    const value = fc.oneof(
      fc.constantFrom('', '1', '-1', '\0', 'None', 'cuckoo'),
      fc.string({ unit: 'binary' }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
        fc.array(word, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(field, value), { maxLength: 4 }),
        fc.constantFrom('query', 'form', 'multipart', 'json'),
        async (method, path, pairs, how) => {
          const answer = await fetch(new URL(target(api.url, path, how === 'query' ? pairs : [])), {
            method,
            ...(method !== 'GET' && how !== 'query' && bodyOf(how, pairs)),
          });
          const body = await answer.text();
          expect([method, path, pairs, how, answer.status < 500 ? 'fine' : body]).toEqual([
            ...[method, path, pairs, how, 'fine'],
          ]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

type Pairs = readonly (readonly [string, string])[];

function target(url: string, path: readonly string[], pairs: Pairs): string {
  return `${url}/${path.join('/')}?${new URLSearchParams(pairs.map(([key, value]): [string, string] => [key, value])).toString()}`;
}

function bodyOf(how: 'form' | 'multipart' | 'json', pairs: Pairs): RequestInit {
  if (how === 'json')
    return {
      body: JSON.stringify(Object.fromEntries(pairs)),
      headers: { 'content-type': 'application/json' },
    };
  const body = how === 'form' ? new URLSearchParams() : new FormData();
  for (const [key, value] of pairs) body.append(key, value);
  return { body };
}

function encodeURIComponentSafely(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}
