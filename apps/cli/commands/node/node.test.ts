import { createServer, type IncomingMessage, type Server } from 'node:http';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { runCommand } from '../../../../test/support/run-command.js';

/** What the scripted API answers to `METHOD /path`. */
type Script = Readonly<Record<string, readonly [status: number, body: unknown]>>;

const LAB1 = {
  ...{ name: 'lab1', url: 'http://10.0.0.5:8090/', enabled: true, mode: 'normal', dialect: 'malkoha' },
  ...{ has_token: true, last_seen: '2020-01-02 03:04:05', last_error: null, retry_on: null },
  machines: [{ name: 'linux1', platform: 'linux', tags: ['office'] }],
  tasks: { assigned: 2, processing: 1 },
};
const LAB2 = {
  ...LAB1,
  ...{ name: 'lab2', url: 'http://10.0.0.6:8090/', dialect: 'cape', has_token: false, machines: [] },
  ...{ last_error: 'no \u001b[2Jconnection', retry_on: '2020-01-02 03:05:05', last_seen: null },
  tasks: { assigned: 0, processing: 0 },
};
const BOTH: Script = {
  'GET /api/node': [200, { success: true, nodes: { lab2: LAB2, lab1: LAB1 } }],
  'GET /api/node/lab1': [200, { success: true, nodes: { lab1: LAB1 } }],
  'GET /api/node/new': [200, { success: true, nodes: {} }],
};
const DONE = [200, { success: true }] as const;

let server: Server;
let script: Script;
let asked: string[];
let home: string;

beforeEach(async () => {
  script = BOTH;
  asked = [];
  home = await mkdtemp(join(tmpdir(), 'malkoha-node-'));
  server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const what = `${request.method ?? ''} ${request.url ?? ''}`;
      asked.push(`${what} ${body}`.trim());
      const [status, answer] = script[what] ?? [404, { success: false, message: 'Not found' }];
      response.statusCode = status;
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await mkdir(join(home, 'conf'));
  await writeFile(
    join(home, 'conf', 'distributed.conf'),
    `[distributed]\nport = ${port}\napi_token = t0ken\n`,
  );
});
afterEach(async () => {
  jest.restoreAllMocks();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(home, { recursive: true });
});

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return request.headers.authorization === 'Bearer t0ken' ? Buffer.concat(pieces).toString() : 'no token!';
}

const node = (...args: readonly string[]) => runCommand('node', ...args, '--home', home);

test('commands for the daemon of a lab say that this is another API', async () => {
  server.prependListener('request', (_request, response) => {
    response.setHeader('server', 'Distributed Machete Server');
  });
  const port = String((server.address() as AddressInfo).port);
  for (const [command, ...args] of [['status'], ['task', 'list'], ['task', 'report', '1']] as const)
    await expect(runCommand(command, ...args, '--port', port, '--home', home)).rejects.toThrow(
      `http://127.0.0.1:${port} is the Distributed API, not the daemon of a lab: \`malkoha node list\``,
    );
});

test('list: a line for each, by name, safe for a terminal', async () => {
  const { out } = await node('list');
  expect(out.split('\n').map((line) => line.trimEnd().replaceAll(/ {2,}/g, ' | '))).toEqual([
    'NAME | STATE | URL | SPEAKS | MACHINES | TASKS | LAST SEEN | NEXT TRY | REASON',
    'lab1 | ready | http://10.0.0.5:8090/ | malkoha | 1 | 2 waiting, 1 there | 2 Jan 2020',
    'lab2 | away | http://10.0.0.6:8090/ | cape | 0 | 2 Jan 2020 | no \\u001b[2Jconnection',
    '',
  ]);
  expect(JSON.parse((await node('list', '--json')).out)).toEqual({ nodes: [LAB1, LAB2] });
});

test('show: all about one; of a name that is not there, which there are', async () => {
  const { out } = await node('show', 'lab1');
  expect(out).toContain('lab1  ready\n');
  expect(out).toMatch(/machine +linux1 \(linux, office\)\n/);
  await expect(node('show', 'new')).rejects.toMatchObject({
    status: 404,
    message: 'there is no node "new"; there are lab1, lab2',
  });
});

test('add: hands everything on, and says what came of it', async () => {
  const added = { ...LAB1, name: 'new', url: 'http://h/' };
  script = { ...BOTH, 'POST /api/node': [200, { success: true, machines: [] }] };
  const options = ['--node-token', 'a b&c', '--mode', 'night', '--dialect', 'cape'];
  const adding = node('add', 'new', 'http://h', ...options);
  // It is there once it was added.
  server.on('request', ({ method }) => {
    if (method === 'POST')
      script = { ...script, 'GET /api/node/new': [200, { success: true, nodes: { new: added } }] };
  });
  expect(await adding).toEqual({ code: 0, out: 'new is added: http://h/, malkoha, 1 machine\n' });
  expect(asked[1]).toBe('POST /api/node name=new&url=http%3A%2F%2Fh&token=a+b%26c&mode=night&dialect=cape');
});

test('add: what the API refuses is told in its words, with the help for what the node did', async () => {
  const message = 'Error connecting to Cuckoo node: no answer';
  script = { ...BOTH, 'POST /api/node': [404, { message, code: 'NODE_UNREACHABLE' }] };
  await expect(node('add', 'new', 'http://h')).rejects.toMatchObject({ code: 'NODE_UNREACHABLE', message });
  script = { ...BOTH, 'POST /api/node': [409, { success: false, message: 'There is one' }] };
  await expect(node('add', 'new', 'http://h')).rejects.toThrow('There is one (409 from /api/node)');
});

test('add: one that is there is told of, unless something is to be changed', async () => {
  const same = 'http://10.0.0.5:8090';
  await expect(node('add', 'lab1', same)).rejects.toThrow(
    'there is a node lab1 already, at this URL; --node-token, --mode and --dialect change it',
  );
  script = { ...BOTH, 'PUT /api/node/lab1': DONE };
  const { out } = await node('add', 'lab1', same, '--node-token', '');
  expect(out).toContain('lab1 is changed');
  await node('add', 'lab1', same, '--dialect', 'cuckoo');
  await node('add', 'lab1', same, '--mode', 'normal', '--dialect', 'cuckoo');
  await node('add', 'lab1', 'http://10.0.0.7:8090/', '--node-token', 'x');
  expect(asked.filter((line) => !line.startsWith('GET'))).toEqual([
    'PUT /api/node/lab1 token=',
    'PUT /api/node/lab1 dialect=cuckoo',
    'PUT /api/node/lab1 mode=normal&dialect=cuckoo',
    'PUT /api/node/lab1 url=http%3A%2F%2F10.0.0.7%3A8090%2F&token=x',
  ]);
});

test('disable, enable, refresh, remove', async () => {
  script = {
    ...BOTH,
    'DELETE /api/node/lab1': DONE,
    'PUT /api/node/lab1': DONE,
    'POST /api/node/lab1/refresh': [200, { success: true, machines: [] }],
    'POST /api/node/lab1/remove': [200, { success: true, failed: 2 }],
  };
  expect((await node('disable', 'lab1')).out).toContain('lab1 is disabled');
  expect((await node('enable', 'lab1')).out).toContain('lab1 is enabled');
  expect((await node('refresh', 'lab1')).out).toBe('lab1 has 1 machine\n');
  expect((await node('remove', 'lab1', '--force')).out).toBe(
    'lab1 is removed; finished tasks and their reports stay; 2 tasks that were to run there only failed\n',
  );
  expect(asked.filter((line) => !line.startsWith('GET'))).toEqual([
    ...['DELETE /api/node/lab1', 'PUT /api/node/lab1 enabled=1', 'POST /api/node/lab1/refresh'],
    'POST /api/node/lab1/remove force=1',
  ]);
});

test('a misspelt name among several changes none of them', async () => {
  script = { ...BOTH, 'DELETE /api/node/lab1': DONE };
  await expect(node('disable', 'lab1', 'new')).rejects.toMatchObject({ status: 404 });
  expect(asked.filter((line) => line.startsWith('DELETE'))).toEqual([]);
});

const OK = { check: 'address', status: 'ok', found: '10.0.0.5', fix: null };
const BAD = { check: 'token', status: 'fail', found: 'refused', fix: 'give it a token' };

test('check: findings as the doctor has them; 1 when one failed', async () => {
  const lines = (...findings: readonly object[]) =>
    findings.map((one) => `${JSON.stringify(one)}\n`).join('\n');
  script = { ...BOTH, 'POST /api/node/lab1/check': [200, lines(OK)] };
  expect(await node('check', 'lab1', '--no-analysis', '--timeout', '9')).toEqual({
    code: 0,
    out: expect.stringMatching(/^ok +address +10\.0\.0\.5\n\nnothing is wrong · 1 fine\n$/),
  });
  expect(asked.at(-1)).toBe('POST /api/node/lab1/check analysis=0&timeout=9');
  script = { ...BOTH, 'POST /api/node/lab1/check': [200, lines(OK, BAD).trimEnd()] };
  const { code, out } = await node('check', 'lab1', '--json');
  expect([code, JSON.parse(out)]).toEqual([1, { healthy: false, findings: [OK, BAD] }]);
});

test('check: an answer that is none of ours, or ends early, is no success', async () => {
  script = { ...BOTH, 'POST /api/node/lab1/check': [200, '<html>'] };
  await expect(node('check', 'lab1')).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' });
  script = { ...BOTH, 'POST /api/node/lab1/check': [200, ''] };
  await expect(node('check', 'lab1')).rejects.toMatchObject({ code: 'DAEMON_UNREACHABLE' });
});
