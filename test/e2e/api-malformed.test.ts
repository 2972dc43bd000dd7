import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { startApi, type TestApi } from '../support/api.js';
import { ask } from '../support/api-client.js';

let api: TestApi;

const ODD = [
  '',
  '0',
  '-1',
  '..',
  '%2f',
  '%00',
  '%zz',
  '[1]',
  '[',
  '1e9',
  '9'.repeat(40),
  '\u202E',
  'a'.repeat(2000),
  '*',
  ':id',
  '?',
  '#',
];
const segment = fc.oneof(
  fc.constantFrom(...ODD).map((text) => (text.startsWith('%') ? text : encodePath(text))),
  fc.constantFrom(
    'tasks',
    'view',
    'list',
    'report',
    'create',
    'file',
    'files',
    'get',
    'screenshots',
    'pcap',
    'v1',
    'json',
    'html',
  ),
  fc.nat().map(String),
  fc.string({ unit: 'binary', maxLength: 20 }).map(encodePath),
);
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom('wait', 'status', 'owner', 'completed_after', 'ids', '__proto__'),
      fc.string({ maxLength: 20 }),
    ),
    { maxLength: 3 },
  )
  // A long poll would only wait: it has tests of its own.
  .map((pairs) => pairs.filter(([name, value]) => name !== 'wait' || !/^\d/.test(value)))
  .map((pairs) => new URLSearchParams(pairs).toString());
const READS = [
  'tasks/view',
  'tasks/list',
  'tasks/report',
  'tasks/screenshots',
  'pcap/get',
  'files/view',
  'files/get',
  'machines/view',
  'tasks/delete',
  'tasks/events',
];

const fieldName = fc.oneof(
  fc.constantFrom(
    'url',
    'timeout',
    'priority',
    'memory',
    'tags',
    'options',
    'clock',
    'unique',
    'constructor',
    '__proto__',
    '',
  ),
  fc.string({ maxLength: 10 }),
);
const fieldValue = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom('', '0', '-1', 'None', '1e400', '\0', 'a=b\r\nc=d'),
);

/** Pieces of multipart bodies, in any order and number: most of what comes out is no form. */
const piece = fc.oneof(
  fc.constantFrom(
    '--XX\r\n',
    '--XX--\r\n',
    '\r\n\r\n',
    '\r\n',
    '--YY\r\n',
    'Content-Disposition: form-data; name="file"; filename="a"\r\n',
    'Content-Disposition: form-data; name="url"\r\n',
    'Content-Disposition: form-data\r\n',
    'Content-Type: application/json\r\n',
    'Content-Transfer-Encoding: base64\r\n',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
);

describe('REST API: malformed requests', () => {
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
  });

  test('no path and no query is answered with a 5xx, and every refusal is {message}', async () => {
    const property = fc.asyncProperty(
      fc.constantFrom('', ...READS),
      fc.array(segment, { maxLength: 4 }),
      query,
      async (start, rest, text) => {
        mustBeFine(await send('GET', `/${[start, ...rest].join('/')}?${text}`));
      },
    );
    await fc.assert(property, { numRuns: 400 });
  }, 60_000);

  test('no form is answered with a 5xx', async () => {
    const fields = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 8 });
    const property = fc.asyncProperty(
      fields,
      fc.constantFrom('file', 'url'),
      fc.boolean(),
      async (pairs, kind, multipart) => {
        const body = multipart ? new FormData() : new URLSearchParams();
        for (const [name, value] of pairs) body.append(name, value);
        const { status, body: answer } = await ask(api, `/tasks/create/${kind}`, { method: 'POST', body });
        mustBeFine({ status, text: JSON.stringify(answer) });
      },
    );
    await fc.assert(property, { numRuns: 200 });
  }, 60_000);

  test('no bytes that claim to be a form are answered with a 5xx, nor leave a temporary file', async () => {
    const property = fc.asyncProperty(
      fc.array(piece, { maxLength: 12 }),
      fc.constantFrom('file', 'url'),
      async (pieces, kind) => {
        mustBeFine(
          await send(
            'POST',
            `/tasks/create/${kind}`,
            'multipart/form-data; boundary=XX',
            `--XX\r\n${pieces.join('')}`,
          ),
        );
      },
    );
    await fc.assert(property, { numRuns: 300 });
    const left = await readdir(api.context.home.binaries).catch(() => []);
    expect(left.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
  }, 60_000);

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

interface Sent {
  readonly status: number;
  readonly text: string;
}

function mustBeFine({ status, text }: Sent): void {
  expect(status).toBeLessThan(500);
  if (status >= 400) expect(Object.keys(JSON.parse(text) as object)).toEqual(['message']);
}

/** fetch() would normalise the path and refuse some. */
async function send(method: string, path: string, type?: string, body?: string): Promise<Sent> {
  const { hostname, port } = new URL(api.url);
  const sending = request({
    hostname,
    port,
    method,
    path,
    headers: { ...(type !== undefined && { 'content-type': type }) },
  });
  sending.end(body);
  const [answer] = (await once(sending, 'response')) as [IncomingMessage];
  // An event stream of a task that waits has no end.
  if (answer.headers['content-type'] === 'text/event-stream') {
    answer.destroy();
    return { status: answer.statusCode ?? 0, text: '' };
  }
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return { status: answer.statusCode ?? 0, text };
}

/** As a client may put it on the wire: HTTP paths hold no blanks, control characters or bare Unicode. */
function encodePath(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
}
