import { randomBytes } from 'node:crypto';
import { getEventListeners, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask, leave, submit } from '../support/api-client.js';
import { messages, take } from '../support/sse.js';

const BODY = '--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello\r\n--XX--\r\n';

// A block of its own: its end comes before the look for what was left behind.
describe('REST API: the end of the process', () => {
  let api: TestApi;
  beforeEach(async () => {
    api = await startApi();
  });
  afterEach(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('an upload under way is answered, its task is stored, and the connection is closed', async () => {
    const [socket, answer] = await begin(BODY.length);
    const closed = api.app.close();
    await refused();
    socket.write(BODY);
    expect(await answer).toMatch(
      /^HTTP\/1\.1 200 OK\r\n(.+\r\n)*connection: close\r\n(.+\r\n)*\r\n\{"task_id":1,/i,
    );
    await closed;
    expect(await api.context.tasks.status(1)).toBe('pending');
  });

  test('one that does not come in time is cut off, and leaves no task', async () => {
    await api[Symbol.asyncDispose]();
    api = await startApi('', { drain: 100 });
    const [, answer] = await begin(BODY.length);
    await api.app.close();
    expect(await answer).toBe('');
    expect(await api.context.tasks.status(1)).toBeNull();
  });

  test('idle connections do not hold it up', async () => {
    const idle = await dial();
    await ask(api, '/tasks/list');
    const ended = once(idle, 'close');
    await api.app.close();
    await ended;
  });

  test('streams and requests that wait end with a whole answer', async () => {
    const id = await submit(api, 'a', 'a');
    const stream = messages(await fetch(`${api.url}/tasks/events/${id}`));
    await take(stream, 1);
    const waiting = ask(api, `/tasks/view/${id}?wait=60`);
    await once(api.app.getHttpServer(), 'request');
    await ask(api, '/tasks/list'); // it is being served by now
    await api[Symbol.asyncDispose]();
    expect((await waiting).body.task.status).toBe('pending');
    expect((await stream.next()).done).toBe(true);
  });

  test('an archive that is being packed is sent in full', async () => {
    const id = await submit(api, 'a', 'a');
    await leave(api, id, 'files/random', randomBytes(1024 * 1024));
    const answer = fetch(`${api.url}/tasks/report/${id}/all`);
    await once(api.app.getHttpServer(), 'request');
    const ended = api[Symbol.asyncDispose]();
    const { status, headers, body } = await answer.then(async (one) => ({
      status: one.status,
      headers: one.headers,
      body: await one.arrayBuffer(),
    }));
    await ended;
    expect([status, headers.get('content-length')]).toEqual([200, String(body.byteLength)]);
  });

  test('while it lives, its end remembers no request that waited for it', async () => {
    const id = await submit(api, 'a', 'a');
    for (let n = 0; n < 5; n++) {
      await ask(api, `/tasks/view/${id}?wait=0.001`);
      await ask(api, `/tasks/report/${id}?wait=0.001`);
      await (await fetch(`${api.url}/tasks/events/${id}`)).body?.cancel();
    }
    const { shutdown } = api.context;
    while (getEventListeners(shutdown, 'abort').length > 0) await sleep(10);
    const made = Object.getOwnPropertySymbols(shutdown).find(
      ({ description }) => description === 'kDependantSignals',
    );
    expect(made && (shutdown as unknown as Record<symbol, unknown>)[made]).toBeUndefined();
  });

  async function dial(): Promise<Socket> {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.on('error', () => {}); // how it ends is in the answer
    await once(socket, 'connect');
    return socket;
  }

  /** An upload whose head has arrived, and all that will be answered. */
  async function begin(length: number): Promise<[Socket, Promise<string>]> {
    const socket = await dial();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    const answer = once(socket, 'close').then(() => Buffer.concat(chunks).toString());
    const arrived = once(api.app.getHttpServer(), 'request');
    socket.write(
      `POST /tasks/create/file HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: ${length}\r\n\r\n`,
    );
    await arrived;
    return [socket, answer];
  }

  /** Until the API takes no new connections. */
  async function refused(): Promise<void> {
    for (;;) {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      const [error] = await Promise.race([
        once(socket, 'error'),
        once(socket, 'connect').then(() => [null]),
      ]).catch((cause: unknown) => [cause]);
      socket.destroy();
      if (error !== null) return;
    }
  }
});
