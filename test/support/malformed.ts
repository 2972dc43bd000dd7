import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { expect } from '@jest/globals';
import fc from 'fast-check';
import type { TestApi } from './api.js';

const ODD = [
  ...['', '0', '-1', '..', '%2f', '%2e%2e', '%00', '%zz', '[1]', '[', '1e9', '9'.repeat(40)],
  ...['\u202E', 'a'.repeat(2000), '*', ':id', '?', '#', '%252e', '..%5c..', '%c0%ae'],
];
const segment = fc.oneof(
  fc.constantFrom(...ODD).map((text) => (text.includes('%') ? text : encodePath(text))),
  fc.constantFrom(
    ...['tasks', 'view', 'list', 'report', 'create', 'file', 'files', 'get', 'screenshots', 'pcap', 'v1'],
    ...['json', 'html', 'all', 'dropped', 'submit', 'md5', 'sha256', 'id', '1', '1', '1'],
  ),
  fc.nat().map(String),
  fc.string({ unit: 'binary', maxLength: 20 }).map(encodePath),
);
/** Paths that a parameter follows. */
const PATHS = [
  ...['', 'tasks/view', 'tasks/list', 'tasks/sample', 'tasks/report', 'tasks/summary', 'tasks/screenshots'],
  ...['tasks/delete', 'tasks/reschedule', 'tasks/rereport', 'tasks/reboot', 'tasks/cancel', 'tasks/explain'],
  ...['tasks/events', 'pcap/get', 'files/view', 'files/get', 'memory/list', 'memory/get', 'full_memory'],
  ...['machines/view', 'webhooks', 'webhooks/deliveries'],
];
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        ...['wait', 'status', 'owner', 'completed_after', 'ids', 'limit', 'offset', 'cursor', 'tar'],
        ...['elements', 'last_event_id', 'before', '__proto__'],
      ),
      fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('', '0', '-1', '1e9', 'info', 'bz2')),
    ),
    { maxLength: 3 },
  )
  // A long poll would only wait: it has tests of its own.
  .map((pairs) => pairs.filter(([name, value]) => name !== 'wait' || !/^\d/.test(value)))
  .map((pairs) => new URLSearchParams(pairs).toString());
const header = fc.constantFrom<Readonly<Record<string, string>>>(
  {},
  { range: 'bytes=0-' },
  { range: 'bytes=9-1,-' },
  { accept: 'application/problem+json' },
  { 'last-event-id': '0-0' },
  { 'last-event-id': 'never' },
  { 'if-none-match': '*' },
  { 'idempotency-key': 'x'.repeat(300) },
);

const fieldName = fc.oneof(
  fc.constantFrom(
    ...['url', 'strings', 'timeout', 'priority', 'memory', 'tags', 'options', 'clock', 'unique', 'package'],
    ...[
      'custom',
      'owner',
      'machine',
      'platform',
      'enforce_timeout',
      'password',
      'secret',
      'events',
      'constructor',
      '__proto__',
      '',
    ],
  ),
  fc.string({ maxLength: 10 }),
);
const fieldValue = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom('', '0', '-1', 'None', '1e400', '\0', 'a=b\r\nc=d', 'filename=../../x', 'http://x/'),
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
    'Content-Disposition: form-data; name="files"; filename="../../a.zip"\r\n',
    'Content-Disposition: form-data; name="url"\r\n',
    'Content-Disposition: form-data; name="strings"\r\n',
    'Content-Disposition: form-data\r\n',
    'Content-Type: application/json\r\n',
    'Content-Transfer-Encoding: base64\r\n',
    'PK\u0003\u0004',
    'PK\u0005\u0006',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
);
const form = fc.constantFrom('file', 'url', 'submit');
/** Cuckoo's own status for what is no fault of the server; clients compare the sentences. */
const CUCKOOS_500 = [
  'No files or strings have been given!',
  'The task is currently being processed, cannot delete',
  'Rooter not available',
];

/** What must hold for any request at all: a little of it in every test run, for long by `npm run fuzz:api`. */
export const PROPERTIES: Readonly<Record<string, (api: TestApi, numRuns: number) => Promise<void>>> = {
  'no path and no query is answered with a 5xx, and every refusal is {message}': (api, numRuns) =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PATHS),
        fc.array(segment, { maxLength: 4 }),
        query,
        header,
        fc.constantFrom('GET', 'GET', 'GET', 'POST', 'DELETE', 'HEAD'),
        async (start, rest, text, headers, method) => {
          mustBeFine(await send(api, { method, path: `/${[start, ...rest].join('/')}?${text}`, headers }));
        },
      ),
      { numRuns },
    ),

  'no form is answered with a 5xx': (api, numRuns) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 8 }),
        fc.constantFrom('tasks/create/file', 'tasks/create/url', 'tasks/create/submit', 'webhooks'),
        fc.boolean(),
        async (pairs, path, multipart) => {
          const body = multipart ? new FormData() : new URLSearchParams();
          for (const [name, value] of pairs) body.append(name, value);
          const answer = await fetch(`${api.url}/${path}`, { method: 'POST', body });
          mustBeFine({ method: 'POST', status: answer.status, text: await answer.text() });
        },
      ),
      { numRuns },
    ),

  'no bytes that claim to be a form are answered with a 5xx, nor leave a temporary file': async (
    api,
    numRuns,
  ) => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), form, async (pieces, kind) => {
        const headers = { 'content-type': 'multipart/form-data; boundary=XX' };
        const body = `--XX\r\n${pieces.join('')}`;
        mustBeFine(await send(api, { method: 'POST', path: `/tasks/create/${kind}`, headers, body }));
      }),
      { numRuns },
    );
    const left = await readdir(api.context.home.binaries).catch(() => []);
    expect(left.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
  },
};

interface Sending {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly method: string;
  readonly status: number;
  readonly text: string;
}

function mustBeFine({ method, status, text }: Answer): void {
  if (status === 500 && CUCKOOS_500.some((sentence) => text.includes(sentence))) return;
  if (status >= 500) throw new Error(`${status} ${text}`);
  if (status >= 400 && status !== 416 && method !== 'HEAD')
    expect(JSON.parse(text)).toMatchObject({ message: expect.any(String) });
}

/** fetch() would normalise the path and refuse some. */
async function send(api: TestApi, { method, path, headers = {}, body }: Sending): Promise<Answer> {
  const { hostname, port } = new URL(api.url);
  const sending = request({ hostname, port, method, path, headers: { ...headers } });
  sending.end(body);
  const [answer] = (await once(sending, 'response')) as [IncomingMessage];
  const status = answer.statusCode ?? 0;
  // An event stream of a task that waits has no end.
  if (answer.headers['content-type'] === 'text/event-stream') {
    answer.destroy();
    return { method, status, text: '' };
  }
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return { method, status, text };
}

/** As a client may put it on the wire: HTTP paths hold no blanks, control characters or bare Unicode. */
function encodePath(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
}
