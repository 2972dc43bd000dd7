import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, drive, form, HEADERS, leave, submit } from '../support/api-client.js';

let api: TestApi;

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: the protocol', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('paths: slashes, /v1, brackets; every answer has the headers and errors are JSON', async () => {
    const id = await submit(api, 'x', 'x');
    for (const path of [
      `/tasks/view/${id}`,
      `//tasks///view/${id}/`,
      `/v1/tasks/view/${id}`,
      `/tasks/view/[${id}]`,
      `/tasks/view/%5B${id}%5D`,
    ]) {
      // Node's URL reads `//tasks` as a host: ask by hand.
      const [status] = await wire(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(`${path} ${status}`).toBe(`${path} HTTP/1.1 200 OK`);
    }
    for (const [path, method, status, message] of [
      ['/nothing/here', 'GET', 404, 'Not found'],
      ['/', 'GET', 404, 'Not found'],
      ['/tasks/view/abc', 'GET', 404, 'Not found'],
      ['/tasks/view/-1', 'GET', 404, 'Not found'],
      ['/tasks/view/1.5', 'GET', 404, 'Not found'],
      ['/tasks/view/99999999999999999999', 'GET', 404, 'Task not found'],
      ['/tasks/list/x', 'GET', 404, 'Not found'],
      ['/tasks/view/%zz', 'GET', 404, 'Not found'],
      ['/tasks/create/file', 'GET', 405, 'Method not allowed'],
      ['/tasks/list', 'POST', 405, 'Method not allowed'],
      [`/tasks/delete/${id}`, 'DELETE', 405, 'Method not allowed'],
    ] as const) {
      const answer = await ask(api, path, { method });
      expect({ path, status: answer.status, body: answer.body }).toEqual({ path, status, body: { message } });
      expect(Object.fromEntries(answer.headers)).toMatchObject(HEADERS);
    }
    for (const [path, method, allow] of [
      ['/v1//tasks/create/file/?x=/', 'GET', 'POST'],
      ['/tasks/create/file', 'HEAD', 'POST'],
      ['/tasks/list/1', 'OPTIONS', 'GET, HEAD'],
      ['/tasks/view/1', 'PUT', 'GET, HEAD'],
      ['/tasks/view/1', 'PROPFIND', 'GET, HEAD'],
    ] as const) {
      const { status, headers } = await fetch(`${api.url}${path}`, { method });
      expect([path, status, headers.get('allow')]).toEqual([path, 405, allow]);
    }
    expect(Object.fromEntries((await ask(api, '/tasks/list')).headers)).toMatchObject(HEADERS);
  });

  test('HEAD answers like GET without the body', async () => {
    const id = await submit(api, 'h', 'h');
    await leave(api, id, 'reports/report.json', '{"a":1}');
    for (const path of [
      `/tasks/report/${id}`,
      `/tasks/view/${id}`,
      '/cuckoo/status',
      `/tasks/events/${id}`,
    ]) {
      const answer = await fetch(`${api.url}${path}`, { method: 'HEAD' });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe('');
    }
    const report = await fetch(`${api.url}/tasks/report/${id}`, { method: 'HEAD' });
    expect(report.headers.get('content-length')).toBe('7');
  });

  /** Lines of the answer to bytes sent as they are. */
  async function wire(bytes: string): Promise<string[]> {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(bytes);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text.split('\r\n');
  }

  test('what is not HTTP gets a JSON answer too', async () => {
    const lines = await wire('NOT HTTP AT ALL\r\n\r\n');
    expect(lines[0]).toBe('HTTP/1.1 400 Bad Request');
    expect(lines).toContain('server: Machete Server');
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ message: 'The request is not HTTP' });
  });

  test('with a token every request needs it, without one any Authorization header is ignored', async () => {
    await using locked = await startApi('[cuckoo]\napi_token = s3cret\n');
    const with_ = (authorization: string) => ({ headers: { authorization } });
    const denied = {
      message: "Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required",
    };
    for (const init of [
      {},
      with_('Bearer s3cre'),
      with_('bearer s3cret'),
      with_('Bearer s3cret '.repeat(2)),
      with_('Basic czM='),
    ]) {
      for (const path of ['/cuckoo/status', '/nothing/here', '/tasks/view/1']) {
        const { status, headers, body } = await ask(locked, path, init);
        expect({ status, body }).toEqual({ status: 401, body: denied });
        expect(headers.has('www-authenticate')).toBe(false);
        expect(Object.fromEntries(headers)).toMatchObject(HEADERS);
      }
    }
    expect((await ask(locked, '/cuckoo/status', with_('Bearer s3cret'))).status).toBe(200);
    const upload = await ask(locked, '/tasks/create/file', {
      method: 'POST',
      body: form({}, { name: 'a', content: 'a' }),
    });
    expect(upload.status).toBe(401);
    expect((await ask(api, '/cuckoo/status', with_('Basic Zm9vOmJhcg=='))).status).toBe(200);
    expect((await ask(api, '/cuckoo/status', with_('Bearer '))).status).toBe(200);
  });

  test('pages of other sites can neither submit nor delete; programs and our own pages can', async () => {
    const id = await submit(api, 'c', 'c');
    const foreign = [
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'http://evil.example' },
      { origin: 'null' },
    ];
    for (const headers of foreign) {
      expect((await send(`/tasks/delete/${id}`, headers)).status).toBe(403);
      expect((await send('/tasks/create/url', headers, 'url=http://x/')).status).toBe(403);
      expect((await send(`/tasks/view/${id}`, headers)).status).toBe(200);
    }
    expect(
      (await send('/tasks/create/url', { origin: api.url, 'sec-fetch-site': 'same-origin' }, 'url=http://x/'))
        .status,
    ).toBe(200);
    expect((await send(`/tasks/delete/${id}`, {})).status).toBe(200);
  });

  test('without a token a browser may not read by a name that some page made ours; a program may', async () => {
    const rebound = { host: 'evil.example:8090', 'accept-language': 'en' };
    for (const path of ['/tasks/list', '/nothing/here']) expect((await send(path, rebound)).status).toBe(403);
    expect((await send('/tasks/list', { host: 'sandbox.lab' })).status).toBe(200);
    expect((await send('/tasks/list', { 'accept-language': 'en' })).status).toBe(200);
    await using locked = await startApi('[cuckoo]\napi_token = s3cret\n');
    const authorized = { ...rebound, authorization: 'Bearer s3cret' };
    expect((await send('/tasks/list', authorized, undefined, locked)).status).toBe(200);
  });

  /** fetch() does not let a test say Host, Origin or Sec-Fetch-Site. */
  async function send(
    path: string,
    headers: Record<string, string>,
    body?: string,
    { url } = api,
  ): Promise<{ status: number }> {
    const request = httpRequest(`${url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...headers,
        ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
    });
    request.end(body);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    answer.resume();
    return { status: answer.statusCode ?? 0 };
  }

  test('?wait answers when the status changes, by an event or by itself, or when the time is over', async () => {
    const id = await submit(api, 'w', 'w');
    const started = performance.now();
    const waiting = ask(api, `/tasks/view/${id}?wait=10`);
    await sleep(50);
    await drive(api, id, 'running');
    expect((await waiting).body.task.status).toBe('running');
    expect(performance.now() - started).toBeLessThan(400);

    const silent = ask(api, `/tasks/view/${id}?wait=10`);
    await sleep(50);
    await drive(api, id, 'completed');
    expect((await silent).body.task.status).toBe('completed');
    expect(performance.now() - started).toBeLessThan(2500);

    const before = performance.now();
    expect((await ask(api, `/tasks/view/${id}?wait=0.3`)).body.task.status).toBe('completed');
    expect(performance.now() - before).toBeGreaterThan(290);
    await drive(api, id, 'reported');
    const over = performance.now();
    expect((await ask(api, `/tasks/view/${id}?wait=30`)).body.task.status).toBe('reported');
    expect(performance.now() - over).toBeLessThan(200);
    for (const bad of ['x', '-1', '1e3'])
      expect((await ask(api, `/tasks/view/${id}?wait=${bad}`)).status).toBe(400);
  });
});
