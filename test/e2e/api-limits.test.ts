import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, HEADERS } from '../support/api-client.js';

const UPLOAD_HEAD =
  '--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: application/octet-stream\r\n\r\n';
const UPLOAD_TAIL = '\r\n--XX--\r\n';

describe('REST API: limits', () => {
  test('a client that asks too often is told when to come back; others are not concerned', async () => {
    const [one, other] = ['a-token-for-the-first', 'a-token-for-the-second'];
    await using api = await startApi(
      `[api]\nrate_limit = 3\n[tokens]\none = read ${one}\nother = read ${other}\n`,
    );
    const as = (token: string, path: string) =>
      ask(api, path, { headers: { authorization: `Bearer ${token}` } });
    for (const path of ['/cuckoo/status', '/nothing/here', '/tasks/list']) {
      expect((await as(one, path)).status).not.toBe(429);
    }
    for (const path of ['/cuckoo/status', '/nothing/here']) {
      const { status, headers, body } = await as(one, path);
      const seconds = headers.get('retry-after');
      expect(seconds).toMatch(/^([1-9]|[1-5]\d|60)$/);
      const message = `Too many requests: 3 per minute are allowed; try again in ${seconds} seconds`;
      expect([status, body]).toEqual([429, { message }]);
      expect(Object.fromEntries(headers)).toMatchObject(HEADERS);
    }
    expect((await as(other, '/cuckoo/status')).status).toBe(200);
    // Who guesses tokens is counted by address, and the guesses of one do not lock out who has one.
    for (const status of [401, 401, 401, 429]) expect((await as('guess', '/tasks/list')).status).toBe(status);
    expect((await as(other, '/cuckoo/status')).status).toBe(200);
  });

  test('without a limit nobody is counted', async () => {
    await using api = await startApi();
    const answers = await Promise.all(Array.from({ length: 50 }, async () => ask(api, '/machines/list')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });

  test('a client that never ends its headers is let go, with a message', async () => {
    await using api = await startApi('', { headers: 400 });
    const socket = dial(api);
    const answer = read(socket);
    socket.write('GET /tasks/list HTTP/1.1\r\nX: ');
    const timer = setInterval(() => socket.writable && socket.write('x'), 50);
    const text = await answer;
    clearInterval(timer);
    expect(text).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
    expect(text).toContain('{"message":"The headers of the request did not arrive in time"}');
  });

  test('an upload that only trickles is let go with 408, and leaves neither file nor task', async () => {
    await using api = await startApi('', { pace: 400 });
    const socket = dial(api);
    const answer = read(socket);
    socket.write(postHead(5_000_000));
    socket.write(UPLOAD_HEAD);
    const timer = setInterval(() => socket.writable && socket.write('x'), 20);
    const text = await answer;
    clearInterval(timer);
    expect(text).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
    expect(text).toContain('"message":"The request is too slow: 16384 bytes must come in 0.4 seconds"');
    const names = async () => readdir(api.context.home.binaries).catch(() => []);
    for (let waited = 0; (await names()).length > 0 && waited < 3000; waited += 10) await sleep(10);
    expect(await names()).toEqual([]);
    expect((await ask(api, '/tasks/list')).body).toEqual({ tasks: [] });
    expect(api.log.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  test('so is a form, and a client that sends nothing at all', async () => {
    await using api = await startApi('', { pace: 200, idle: 300 });
    const slow = dial(api);
    const answer = read(slow);
    slow.write(
      'POST /tasks/create/url HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\nurl=',
    );
    expect(await answer).toMatch(/^HTTP\/1.1 408 /);
    expect(await read(dial(api))).toBe('');
  });

  test('a slow but steady upload takes many times as long, and is accepted', async () => {
    await using api = await startApi('', { pace: 1500, headers: 1500 });
    const socket = dial(api);
    const answer = read(socket);
    const chunk = Buffer.alloc(16 * 1024, 'malkoha ');
    const chunks = 100;
    socket.write(postHead(UPLOAD_HEAD.length + chunks * chunk.length + UPLOAD_TAIL.length));
    socket.write(UPLOAD_HEAD);
    for (let sent = 0; sent < chunks; sent += 1) {
      socket.write(chunk);
      await sleep(40);
    }
    socket.write(UPLOAD_TAIL);
    expect(await answer).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*"task_id":1,/);
  }, 60_000);
});

function postHead(length: number): string {
  return `POST /tasks/create/file HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: ${length}\r\n\r\n`;
}

function dial(api: TestApi): Socket {
  return connect(Number(new URL(api.url).port), '127.0.0.1');
}

/** All that comes until the other side ends it. */
async function read(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  // Written to after the end: it was ended all the same.
  socket.on('error', () => {});
  await once(socket, 'close');
  return text;
}
