import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { form, HEADERS } from '../support/api-client.js';

const PROBLEM = 'application/problem+json';
const TOKEN = 'a-token-that-may-read';

let api: TestApi;

/** The body of an answer that must be a problem. */
async function problem(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${TOKEN}`, ...(init.headers as object), accept: PROBLEM };
  const answer = await fetch(`${api.url}${path}`, { ...init, headers });
  expect(Object.fromEntries(answer.headers)).toMatchObject({ ...HEADERS, 'content-type': PROBLEM });
  const body = (await answer.json()) as Record<string, unknown>;
  expect(body).toMatchObject({ status: answer.status, detail: body['message'] });
  return body;
}

describe('REST API: errors as RFC 9457 has them', () => {
  beforeAll(async () => {
    api = await startApi(`[tokens]\nreader = read,submit ${TOKEN}\n[api]\nupload_max_size = 1000\n`);
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('each kind of error is a problem for who asks for one', async () => {
    expect(await problem('/tasks/list', { headers: { authorization: 'no' } })).toMatchObject({
      status: 401,
      type: 'urn:malkoha:errors#token_needed',
      title: 'Token needed',
      instance: '/tasks/list',
      code: 'TOKEN_NEEDED',
    });
    expect(await problem('/v1/tasks/delete/1?x=1')).toMatchObject({
      status: 403,
      instance: '/v1/tasks/delete/1',
      code: 'SCOPE_MISSING',
    });
    expect(await problem('/tasks/view/7')).toEqual({
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'Task not found',
      message: 'Task not found',
      instance: '/tasks/view/7',
    });
    expect(await problem('/nothing')).toMatchObject({ status: 404, message: 'Not found' });
    expect(await problem('/tasks/view/%zz')).toMatchObject({ status: 404, instance: '/tasks/view/%25zz' });
    expect(await problem('/tasks/list', { method: 'POST' })).toMatchObject({
      status: 405,
      title: 'Method Not Allowed',
    });
    expect(await problem('/tasks/list?completed_after=x')).toMatchObject({
      status: 400,
      code: 'BAD_REQUEST',
    });
    const big = form({}, { name: 'big', content: Buffer.alloc(5000) });
    expect(await problem('/tasks/create/file', { method: 'POST', body: big })).toMatchObject({
      status: 413,
      code: 'UPLOAD_TOO_LARGE',
    });
    const json = { 'content-type': 'application/json' };
    expect(await problem('/tasks/create/url', { method: 'POST', body: '{}', headers: json })).toMatchObject({
      status: 415,
      title: 'Unsupported Media Type',
    });
  });

  test('HEAD has the same type and length, and no body', async () => {
    const headers = { accept: PROBLEM };
    const get = await fetch(`${api.url}/tasks/list`, { headers });
    const head = await fetch(`${api.url}/tasks/list`, { headers, method: 'HEAD' });
    expect(await head.text()).toBe('');
    for (const name of ['content-type', 'content-length'])
      expect(head.headers.get(name)).toBe(get.headers.get(name));
  });

  test('what is not HTTP is told so too, when its Accept came through', async () => {
    const lines = await wire(`GET /tasks/list HTTP/1.1\r\nAccept: ${PROBLEM}\r\nno header\r\n\r\n`);
    expect(lines[0]).toBe('HTTP/1.1 400 Bad Request');
    expect(lines).toContain(`content-type: ${PROBLEM}`);
    expect(lines).toContain('server: Machete Server');
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
      type: 'urn:malkoha:errors#bad_request',
      title: 'Bad request',
      status: 400,
      detail: 'The request is not HTTP',
      message: 'The request is not HTTP',
      code: 'BAD_REQUEST',
    });
  });

  test.each([
    ['too many headers', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['an unknown method', 'FOO / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['no Host', 'GET /tasks/list HTTP/1.1\r\nConnection: close\r\n\r\n', 401],
    ['HTTP/1.0', 'GET /tasks/list HTTP/1.0\r\n\r\n', 401],
    ['an unknown expectation', 'GET / HTTP/1.1\r\nExpect: x\r\nConnection: close\r\n\r\n', 401],
    ['a method that no path has', 'PROPFIND /tasks/list HTTP/1.1\r\nConnection: close\r\n\r\n', 401],
    ['an address as for a proxy', 'GET http://x/tasks/list HTTP/1.1\r\nConnection: close\r\n\r\n', 401],
  ])('%s: the answer has all headers and a message', async (_what, bytes, status) => {
    const lines = await wire(bytes);
    expect(lines[0]).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    for (const [name, value] of Object.entries(HEADERS)) expect(lines).toContain(`${name}: ${value}`);
    expect(lines).toContain('content-type: application/json');
    expect(Object.keys(JSON.parse(lines.at(-1) ?? '') as object)).toEqual(['message']);
  });

  /** Lines of the answer to bytes sent as they are. */
  async function wire(bytes: string): Promise<string[]> {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(bytes);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text.split('\r\n');
  }
});
