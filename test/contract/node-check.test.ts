import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createPlainServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Dialect } from '#nodes/dialect.js';
import { makeCertificates } from '../support/certificates.js';
import { check, LIMITS, said, scripted } from '../support/node-check.js';

test.each<[Dialect, string[]]>([
  ['malkoha', ['ok events']],
  ['cuckoo', ['skipped events']],
  ['cape', ['skipped events']],
])('a good node of %s: every hop there and back, and nothing is left on it', async (dialect, events) => {
  await using node = await scripted({ dialect, token: 'secret' });
  const { healthy, findings } = await check({
    ...{ url: node.url, dialect, token: 'secret', formats: ['json', 'maec'] },
    machines: [
      { name: 'linux1', platform: 'linux', tags: [] },
      { name: 'linux2', platform: 'linux', tags: [] },
    ],
  });
  expect(said(findings)).toEqual([
    ...['ok address', 'ok connection', 'ok HTTP', 'ok REST API', 'ok token', 'ok status'],
    ...findings.filter(({ check: name }) => name === 'disk space').map(() => 'ok disk space'),
    ...['ok pace', 'ok clock', 'ok machines', 'ok machines known', ...events],
    ...['ok submission', 'ok analysis', 'ok report json', 'ok report maec', 'ok removal'],
  ]);
  expect(healthy).toBe(true);
  expect(node.tasks).toEqual([]);
  expect(node.runs).toMatchObject([{ mark: expect.stringMatching(/^dist:check-[0-9a-f]{24}$/) }]);
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('malkoha-check-'))).toEqual([]);
});

test('without an analysis nothing is submitted', async () => {
  await using node = await scripted();
  const { healthy, of } = await check({ url: node.url, analysis: false });
  expect(of('analysis')).toMatchObject({ status: 'skipped' });
  expect([healthy, node.runs]).toEqual([true, []]);
});

test('a token that is wrong, and one that is missing, and one that nobody asks for', async () => {
  await using node = await scripted({ token: 'right' });
  for (const [token, found] of [
    ['wrong', 'does not take our token: 401'],
    [null, 'wants a token, and none is given'],
  ] as const) {
    const { healthy, findings } = await check({ url: node.url, token });
    expect(healthy).toBe(false);
    expect(findings.slice(-2)).toMatchObject([
      {
        check: 'token',
        status: 'fail',
        found: expect.stringContaining(found),
        fix: expect.stringContaining('--node-token'),
      },
      { check: 'the rest', status: 'skipped' },
    ]);
  }
  node.knobs.token = null;
  const { of } = await check({ url: node.url, token: 'any', analysis: false });
  expect(of('token')?.found).toContain('it asks for none');
});

test.each([
  [{ hang: ['status'] }, 'HTTP', 'within 500 ms', 'curl -m 10'],
  [{ status500: ['status'] }, 'REST API', 'it fails: 500', 'log of the REST API'],
  [{ html: ['status'] }, 'REST API', 'answers with a page', 'correct the URL'],
  [{ redirect: ['status'] }, 'REST API', 'sends us to "http://127.0.0.1:9/"', 'correct the URL'],
  [{ wrongJson: ['status'] }, 'REST API', 'says nothing of machines and tasks', 'correct the URL'],
  [{ endless: ['status'] }, 'REST API', 'says nothing of machines and tasks', 'correct the URL'],
  [{ tooMany: ['status'] }, 'REST API', 'too busy to answer: 429', 'rate_limit'],
] as const)('%j ends the way there: %s', async (knobs, hop, found, fix) => {
  await using node = await scripted({ knobs });
  const { healthy, findings } = await check({ url: node.url, limits: { ...LIMITS, answer: 500 } });
  expect(healthy).toBe(false);
  expect(findings.slice(-2)).toMatchObject([
    { check: hop, status: 'fail', found: expect.stringContaining(found), fix: expect.stringContaining(fix) },
    { check: 'the rest', status: 'skipped' },
  ]);
});

test.each([
  ['SSH-2.0-OpenSSH_9.2\r\n', 'does not speak HTTP', 'is 127.0.0.1:'],
  ['', 'ends without an answer', 'https://'],
])('what is no web server, and says %j', async (greeting, found, fix) => {
  const server = createPlainServer((socket) =>
    socket
      .resume()
      .on('error', () => {})
      .end(greeting),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { findings } = await check({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
  server.close();
  expect(findings.at(-2)).toMatchObject({
    check: 'HTTP',
    status: 'fail',
    found: expect.stringContaining(found),
    fix: expect.stringContaining(fix),
  });
});

test('a path that is not there, and what is set up as another', async () => {
  await using node = await scripted({ dialect: 'cuckoo' });
  const elsewhere = await check({ url: `${node.url}api/` });
  expect(elsewhere.of('REST API')).toMatchObject({ status: 'fail', found: expect.stringContaining('404') });
  const other = await check({ url: node.url, dialect: 'malkoha', analysis: false });
  expect(other.of('REST API')).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('speaks as cuckoo'),
  });
});

test('machines that cannot be read, and none at all: nothing is submitted', async () => {
  await using broken = await scripted({ knobs: { html: ['machines'] } });
  const unread = await check({ url: broken.url });
  expect([unread.of('machines')?.status, unread.of('analysis')?.status]).toEqual(['fail', 'skipped']);
  await using empty = await scripted({ machines: [] });
  const none = await check({ url: empty.url });
  expect(none.of('machines')).toMatchObject({ status: 'fail', found: expect.stringContaining('none') });
  expect(none.of('analysis')?.status).toBe('skipped');
  expect([...broken.runs, ...empty.runs]).toEqual([]);
});

test('machines that have changed since they were stored', async () => {
  await using node = await scripted();
  const { healthy, of } = await check({ url: node.url, analysis: false, machines: [] });
  expect(of('machines known')).toMatchObject({ status: 'warn', fix: 'malkoha node refresh n1' });
  expect(healthy).toBe(true);
});

test('an event stream that does not open, or says nothing, is no fault of the node', async () => {
  await using broken = await scripted({ knobs: { status500: ['events'] } });
  const none = await check({ url: broken.url, analysis: false });
  expect(none.of('events')).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('there is no stream'),
  });
  expect(none.healthy).toBe(true);
  await using silent = await scripted({ knobs: { hang: ['events'] } });
  const nothing = await check({ url: silent.url, analysis: false, limits: { ...LIMITS, answer: 300 } });
  expect(nothing.of('events')?.status).toBe('warn');
});

test('a certificate that nobody here knows', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'));
  makeCertificates(folder);
  const [cert, key] = ['server.pem', 'server.key'].map((name) => readFileSync(join(folder, name)));
  rmSync(folder, { recursive: true });
  const server = createTlsServer({ cert, key }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { findings } = await check({ url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` });
  server.close();
  expect(findings.at(-2)).toMatchObject({
    check: 'TLS',
    status: 'fail',
    fix: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
  });
});

test('a clock that is far off', async () => {
  await using node = await scripted();
  // Before it, what changes the date as a node with a wrong clock has it.
  const proxy = createServer((request, response) => {
    void fetch(new URL(request.url ?? '/', node.url), { headers: { accept: 'application/json' } }).then(
      async (answer) => {
        response.writeHead(answer.status, {
          'content-type': 'application/json',
          date: 'Thu, 01 Jan 2026 00:00:00 GMT',
        });
        response.end(await answer.text());
      },
    );
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { of } = await check({
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`,
    dialect: 'cuckoo',
    analysis: false,
  });
  proxy.close();
  proxy.closeAllConnections();
  expect(of('clock')).toMatchObject({ status: 'warn', found: expect.stringContaining('behind ours') });
});
