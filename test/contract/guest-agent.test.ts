import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from '@jest/globals';

const AGENT = 'analyzer-guest/agent/agent.py';

/** Stands in for the analyzer: repeats its task as the description, and ends when told to stop. */
const FAKE_ANALYZER = `
import json
def serve(channel):
    channel.send(b"ready")
    task = channel.recv(1 << 20).decode()
    if channel.recv(4096) == b'{"op": "stop"}':
        channel.send(json.dumps({"status": "complete", "description": task}).encode())
    channel.recv(1)
`;

let folder: string;
let agent: ChildProcess | undefined;
let port: number;

async function startAgent(...extra: string[]): Promise<void> {
  const child = spawn('python3', [AGENT, '127.0.0.1', '0', ...extra], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  agent = child;
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  port = Number(line.toString());
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-'));
});

afterEach(async () => {
  if (agent?.exitCode === null && agent.signalCode === null) {
    agent.kill('SIGKILL');
    await once(agent, 'exit');
  }
  agent = undefined;
  await rm(folder, { recursive: true, force: true });
});

const url = (path: string) => `http://127.0.0.1:${port}${path}`;

async function get(path: string): Promise<Record<string, unknown>> {
  return (await fetch(url(path))).json() as Promise<Record<string, unknown>>;
}

async function post(path: string, fields: Record<string, string | Blob>, name = 'x'): Promise<Response> {
  const entries = Object.entries(fields);
  if (entries.every(([, value]) => typeof value === 'string')) {
    return fetch(url(path), { method: 'POST', body: new URLSearchParams(fields as Record<string, string>) });
  }
  const form = new FormData();
  for (const [key, value] of entries) {
    if (typeof value === 'string') form.set(key, value);
    else form.set(key, value, name);
  }
  return fetch(url(path), { method: 'POST', body: form });
}

/** Everything the agent says to these bytes, sent from `from`. */
async function raw(bytes: string, from = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  socket.write(bytes);
  let text = '';
  try {
    for await (const chunk of socket) text += String(chunk);
  } catch {
    // Hung up on.
  }
  return text;
}

test('the index names version and features as agent 0.10 does', async () => {
  await startAgent();
  const index = await get('/');
  expect(index).toEqual({
    message: 'Cuckoo Agent!',
    version: '0.10',
    features: ['execpy', 'pinning', 'logs', 'largefile', 'unicodepath', 'waitstatus'],
  });
});

test('answers carry a length, and routes match the whole target', async () => {
  await startAgent();
  const answer = await raw('GET /status HTTP/1.0\r\n\r\n');
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toContain(`Content-Length: ${body.length}\r\n`);
  expect(JSON.parse(body)).toEqual({ message: 'Analysis status', status: null, description: null });
  expect(await get('/status?x=1')).toEqual({ message: 'Route not found', error_code: 404 });
  expect((await fetch(url('/status'), { method: 'DELETE' })).status).toBe(501);
});

test('stores, retrieves, extracts and removes', async () => {
  await startAgent();
  const content = Buffer.alloc(6 << 20, 'z\r\n--x'); // above what is kept in memory
  const path = join(folder, 'ünï code.bin');
  expect((await post('/store', { filepath: path, file: new Blob([content]) })).status).toBe(200);
  expect((await readFile(path)).equals(content)).toBe(true);
  const back = Buffer.from(await (await post('/retrieve', { filepath: path })).arrayBuffer());
  expect(back.equals(content)).toBe(true);
  expect((await post('/retrieve', { filepath: join(folder, 'none') })).status).toBe(404);
  expect((await post('/remove', { path })).status).toBe(200);
  await expect(stat(path)).rejects.toThrow('ENOENT');
  expect((await post('/remove', { path })).status).toBe(404);
  expect(await (await post('/mkdir', { dirpath: join(folder, 'a/b') })).json()).toEqual({
    message: 'Successfully created directory',
  });
  const made = (await (await post('/mkdtemp', { dirpath: folder, prefix: 'p' })).json()) as {
    dirpath: string;
  };
  expect((await stat(made.dirpath)).isDirectory()).toBe(true);
  // An empty archive: the end record only.
  const zip = Buffer.concat([Buffer.from('PK\x05\x06'), Buffer.alloc(18)]);
  expect((await post('/extract', { dirpath: folder, zipfile: new Blob([zip]) })).status).toBe(200);
  expect((await post('/extract', { dirpath: folder, zipfile: new Blob(['no zip']) })).status).toBe(500);
});

test('what is missing is named, and errors have their code in the body too', async () => {
  await startAgent();
  const answer = await post('/store', { filepath: '/tmp/x' });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toEqual({ message: 'No file has been provided', error_code: 400 });
  const thrown = await post('/mkdir', { dirpath: '/proc/no/such' });
  expect(thrown.status).toBe(500);
  expect(await thrown.json()).toMatchObject({
    message: 'Error creating directory',
    traceback: expect.any(String),
  });
});

test('executes commands and Python files', async () => {
  await startAgent();
  expect(await (await post('/execute', { command: 'echo $((6 * 7))', shell: 'yes' })).json()).toMatchObject({
    stdout: '42\n',
    stderr: '',
  });
  const script = join(folder, 'a.py');
  await writeFile(script, 'import sys; print(sys.version_info[0]); sys.stderr.write("e")');
  expect(await (await post('/execpy', { filepath: script })).json()).toMatchObject({
    stdout: '3\n',
    stderr: 'e',
  });
  const started = (await (await post('/execute', { command: 'sleep 0', async: 'yes' })).json()) as object;
  expect(started).toMatchObject({ stdout: null, stderr: null, process_id: expect.any(Number) });
});

test('a half-open client and a long command do not delay /status', async () => {
  await startAgent();
  const slow = connect(port, '127.0.0.1');
  slow.write('POST /store HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc');
  const busy = post('/execute', { command: 'sleep 1' });
  const began = performance.now();
  await get('/status');
  expect(performance.now() - began).toBeLessThan(500);
  slow.destroy();
  await busy;
});

test('bad requests are refused, not fatal', async () => {
  await startAgent();
  expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  expect(await raw('POST /store HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n')).toMatch(/^HTTP\/1\.1 411 /);
  expect(await raw('POST /store HTTP/1.1\r\nContent-Length: -5\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  expect(await raw('POST /store HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 413 /,
  );
  expect(await raw(`GET / HTTP/1.1\r\nX: ${'a'.repeat(70_000)}`)).toMatch(/^HTTP\/1\.1 413 |^$/);
  const cut = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nno end';
  const head = `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: ${cut.length}`;
  expect(await raw(`POST /store HTTP/1.1\r\n${head}\r\n\r\n${cut}`)).toMatch(/^HTTP\/1\.1 400 /);
  expect((await get('/status')).status).toBeNull();
});

test('waiting for a status returns when it changes, and no later than asked', async () => {
  await startAgent();
  const waiting = post('/status/wait', { timeout: '30', not: '' });
  await post('/status', { status: 'running', description: 'on its way' });
  expect(await (await waiting).json()).toMatchObject({ status: 'running', description: 'on its way' });
  const began = performance.now();
  expect(await (await post('/status/wait', { timeout: '0.2', not: 'running' })).json()).toMatchObject({
    status: 'running',
  });
  expect(performance.now() - began).toBeGreaterThan(190);
  expect((await post('/status/wait', { timeout: 'soon' })).status).toBe(400);
});

test('pinned, it hangs up on everybody else but for a loopback POST /status', async () => {
  await startAgent();
  const pin = await raw('GET /pinning HTTP/1.1\r\n\r\n', '127.0.0.2');
  expect(pin).toContain('"client_ip": "127.0.0.2"');
  expect(await raw('GET /status HTTP/1.1\r\n\r\n')).toBe('');
  expect(await raw('GET /status HTTP/1.1\r\n\r\n', '127.0.0.3')).toBe('');
  const body = 'status=complete';
  const request = `POST /status HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  expect(await raw(request, '127.0.0.3')).toBe('');
  expect(await raw(request)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await raw('GET /status HTTP/1.1\r\n\r\n', '127.0.0.2')).toContain('"status": "complete"');
  expect(await raw('GET /pinning HTTP/1.1\r\n\r\n', '127.0.0.2')).toMatch(/^HTTP\/1\.1 500 /);
});

test('without an analyzer /analyze is refused', async () => {
  await startAgent();
  expect(await (await post('/analyze', { config: '[analysis]' })).json()).toEqual({
    message: 'No analyzer is preloaded',
    error_code: 400,
  });
});

test('a preloaded analyzer runs once, on the host’s word only', async () => {
  const analyzer = join(folder, 'fake.py');
  await writeFile(analyzer, FAKE_ANALYZER);
  await startAgent(analyzer);
  const index = await get('/');
  expect(index['features']).toContain('analyze');
  expect(index['analyzer']).toEqual({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect((await post('/analyze', { file: new Blob(['x']) })).status).toBe(400);

  const name = `agent-test-${process.pid}.sh`;
  const stored = join('/tmp', name);
  try {
    // Started by 127.0.0.2, which is the host from then on; 127.0.0.1 is the sample.
    const boundary = 'bound';
    const config = '[analysis]\nid = 7\ntarget = http://x/%20;#';
    const body = [
      `--${boundary}\r\nContent-Disposition: form-data; name="config"\r\n\r\n${config}\r\n`,
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="../../etc/${name}"\r\n\r\n#!/bin/sh\r\n`,
      `--${boundary}--\r\n`,
    ].join('');
    const head = `Content-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${body.length}`;
    const request = `POST /analyze HTTP/1.1\r\n${head}\r\n\r\n${body}`;
    expect(await raw(request, '127.0.0.2')).toMatch(/"process_id": \d+/);
    expect((await stat(stored)).mode & 0o777).toBe(0o755);
    expect(await readFile(stored, 'utf8')).toBe('#!/bin/sh');
    expect(await raw(request, '127.0.0.2')).toMatch(/^HTTP\/1\.1 400 /);

    expect(await raw('GET / HTTP/1.1\r\n\r\n')).toBe('');
    const status = (text: string, from: string) =>
      raw(`POST /status HTTP/1.1\r\nContent-Length: ${text.length + 7}\r\n\r\nstatus=${text}`, from);
    expect(await status('complete', '127.0.0.1')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw('GET /status HTTP/1.1\r\n\r\n', '127.0.0.2')).toMatch(
      /"foreign_status_posts": 1.*"running"|"running".*"foreign_status_posts": 1/,
    );

    expect(await status('stop', '127.0.0.2')).toMatch(/^HTTP\/1\.1 200 /);
    const wait = 'timeout=10&not=running';
    const end = await raw(
      `POST /status/wait HTTP/1.1\r\nContent-Length: ${wait.length}\r\n\r\n${wait}`,
      '127.0.0.2',
    );
    const said = JSON.parse(end.slice(end.indexOf('\r\n\r\n'))) as { status: string; description: string };
    expect(said.status).toBe('complete');
    expect(JSON.parse(said.description)).toEqual({ op: 'start', config, sample: stored, clock: false });
  } finally {
    await rm(stored, { force: true });
  }
});

test('an analyzer that dies is an exception', async () => {
  const analyzer = join(folder, 'fake.py');
  await writeFile(analyzer, 'def serve(channel):\n    channel.send(b"ready")\n    channel.recv(1 << 20)\n');
  await startAgent(analyzer);
  await post('/analyze', { config: '[analysis]' });
  expect(await (await post('/status/wait', { timeout: '10', not: 'running' })).json()).toMatchObject({
    status: 'exception',
    description: 'The analyzer ended without a word',
  });
});

test('killed, it answers and ends', async () => {
  await startAgent();
  const exited = once(agent as ChildProcess, 'exit');
  expect(await get('/kill')).toEqual({ message: 'Quit the Agent' });
  expect((await exited)[0]).toBe(0);
});
