import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startApi, type TestApi } from '../support/api.js';
import { ask } from '../support/api-client.js';
import { PROPERTIES } from '../support/malformed.js';

let api: TestApi;

describe('REST API: malformed requests', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test.each(Object.entries(PROPERTIES))(
    '%s',
    async (_says, holds) => {
      await holds(api, 300);
    },
    60_000,
  );

  test('ten thousand fields are refused', async () => {
    const form = new FormData();
    for (let n = 0; n < 10_000; n += 1) form.append(`f${n}`, 'x');
    const { status, body } = await ask(api, '/tasks/create/url', { method: 'POST', body: form });
    expect([status, Object.keys(body)]).toEqual([413, ['message']]);
  });

  test('200 MiB stream to disk while the process grows by less than 100 MiB', async () => {
    const size = 200 * 1024 * 1024;
    const chunk = Buffer.alloc(1024 * 1024, 'malkoha ');
    const head = Buffer.from('--XX\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n');
    const tail = Buffer.from('\r\n--XX--\r\n');
    const upload = request(`${api.url}/tasks/create/file`, {
      method: 'POST',
      headers: {
        'content-type': 'multipart/form-data; boundary=XX',
        'content-length': head.length + size + tail.length,
      },
    });
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
    const before = process.memoryUsage.rss();
    let most = before;
    upload.write(head);
    for (let sent = 0; sent < size; sent += chunk.length) {
      if (!upload.write(chunk)) await once(upload, 'drain');
      most = Math.max(most, process.memoryUsage.rss());
    }
    upload.end(tail);
    const [answer] = await answered;
    answer.resume();
    expect(answer.statusCode).toBe(200);
    expect((most - before) / 1024 / 1024).toBeLessThan(100);
    const hash = createHash('sha256');
    for (let sent = 0; sent < size; sent += chunk.length) hash.update(chunk);
    const stored = (await readFile(`${api.context.home.binaries}/${hash.digest('hex')}`)).length;
    expect(stored).toBe(size);
  }, 300_000); // ssdeep takes most of it: its sums are one byte at a time
});
