import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { deadline } from '#domain/deadline.js';
import { emulateAgent } from '../../test/support/agent-emulator.js';
import { AgentClient } from './agent.js';
import { bytes, file } from './body.js';
import { dialTcp } from './dial.js';

const never = new AbortController().signal;
const http = (text: string) => Buffer.from(text.replaceAll('\n', '\r\n'));

test('an answer in HTTP/1.0 without length and type is understood', async () => {
  await using agent = await emulateAgent();
  expect(await new AgentClient(agent.dial).info(never)).toEqual({
    version: '0.10',
    features: ['execpy', 'pinning', 'logs', 'largefile', 'unicodepath'],
    analyzer: null,
  });
});

test('so is one with a length, and one in chunks', async () => {
  const body = '{"message":"","status":"init","description":""}';
  const answers = [
    http(`HTTP/1.1 200 OK\nContent-Length: ${body.length}\n\n${body}`),
    http(`HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n${body.length.toString(16)}\n${body}\n0\n\n`),
  ];
  await using agent = await emulateAgent({ answers: { 'GET /status': () => answers.shift() ?? 'empty' } });
  const client = new AgentClient(agent.dial);
  expect(await client.status(never)).toEqual({ status: 'init', description: '' });
  expect(await client.status(never)).toEqual({ status: 'init', description: '' });
});

test('any stream will do, such as those of the userspace network', async () => {
  await using agent = await emulateAgent();
  const client = new AgentClient(async (signal) => {
    const socket = await agent.dial(signal);
    return Duplex.from({ readable: socket, writable: socket });
  });
  const content = Buffer.alloc(300_000, 'x');
  await client.store('/tmp/a', bytes(content), 'a', never);
  expect(agent.requests[0]?.files['file']?.content.equals(content)).toBe(true);
});

describe('requests are what the agents understand', () => {
  test('a length, never chunks; forms without blank values', async () => {
    await using agent = await emulateAgent();
    await new AgentClient(agent.dial).execpy('C:\\tmpq1/analyzer.py', 'C:\\tmpq1', never);
    const [request] = agent.requests;
    expect(request?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': expect.stringMatching(/^\d+$/),
      connection: 'close',
    });
    expect(request?.headers).not.toHaveProperty('transfer-encoding');
    expect(request?.fields).toEqual({ filepath: 'C:\\tmpq1/analyzer.py', async: 'yes', cwd: 'C:\\tmpq1' });
  });

  test.each([0, 1, 65_535, 65_536, 5_000_000])('a file of %i bytes arrives as it is', async (size) => {
    const dir = await mkdtemp(join(tmpdir(), 'malkoha-agent-'));
    const content = Buffer.alloc(size, 'binary \r\n--\0\xff');
    await writeFile(join(dir, 'sample'), content);
    await using agent = await emulateAgent();
    const client = new AgentClient(agent.dial);
    await client.store('/tmp/a "b"\n.exe', await file(join(dir, 'sample')), 'sample.bin', never);
    await rm(dir, { recursive: true });
    const [request] = agent.requests;
    expect(request?.fields).toEqual({ filepath: '/tmp/a "b"\n.exe' });
    expect(request?.files['file']?.fileName).toBe('sample.bin');
    expect(request?.files['file']?.content.equals(content)).toBe(true);
  });

  test("a file that is not there is the host's fault, and says so", async () => {
    await expect(file('/nowhere/sample')).rejects.toMatchObject({ code: 'SAMPLE_MISSING' });
  });

  test('a file that shrinks on the way is too', async () => {
    await using agent = await emulateAgent();
    const shrunk = { size: 10, chunks: () => [Buffer.from('short')] };
    const storing = new AgentClient(agent.dial).store('/tmp/a', shrunk, 'a', never);
    await expect(storing).rejects.toMatchObject({ code: 'SAMPLE_MISSING' });
  });
});

describe('a bad answer', () => {
  const cases = {
    'no bytes (pinned to another host)': ['empty', 'AGENT_UNREACHABLE'],
    'no answer': ['hang', 'AGENT_UNREACHABLE'],
    'one without end': ['endless', 'PROTOCOL_VIOLATION'],
    'no HTTP': [Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), 'PROTOCOL_VIOLATION'],
    'no JSON': [http('HTTP/1.0 200 OK\n\n<html>'), 'PROTOCOL_VIOLATION'],
    'another JSON': [{ json: { status: { $gt: '' } } }, 'PROTOCOL_VIOLATION'],
    'JSON that is null': [{ json: null }, 'PROTOCOL_VIOLATION'],
    'headers without end': [http(`HTTP/1.0 200 OK\nX: ${'a'.repeat(100_000)}\n\n{}`), 'PROTOCOL_VIOLATION'],
    'half an answer': [http('HTTP/1.0 200 OK\nContent-Length: 100\n\n{}'), 'AGENT_UNREACHABLE'],
    'a redirect': [http('HTTP/1.0 302 Found\nLocation: http://127.0.0.1:1/\n\n'), 'AGENT_REFUSED'],
    'an error': [{ code: 500, json: { message: 'no \x1b[31mway' } }, 'AGENT_REFUSED'],
  } as const;
  test.each(Object.entries(cases))('%s is an error with a code', async (_what, [answer, code]) => {
    await using agent = await emulateAgent({ answers: { 'GET /status': () => answer } });
    const client = new AgentClient(agent.dial, { statusMs: 300, answerBytes: 1_000_000 });
    const before = performance.now();
    await expect(client.status(never)).rejects.toMatchObject({ code });
    expect(performance.now() - before).toBeLessThan(3_000);
  });

  test('its text is shown, with what a terminal would obey escaped', async () => {
    await using agent = await emulateAgent({
      answers: { 'GET /status': () => ({ code: 500, json: { message: 'no \x1b[31mway' } }) },
    });
    await expect(new AgentClient(agent.dial).status(never)).rejects.toThrow(
      'the agent answered 500 to GET /status: "no \\u001b[31mway"',
    );
  });

  test('an agent that answers before it has read the body is heard', async () => {
    const early = http('HTTP/1.0 404 Not Found\nContent-Length: 29\n\n{"message":"Route not found"}');
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      socket.once('data', () => socket.pause().write(early));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = new AgentClient(dialTcp('127.0.0.1', (server.address() as AddressInfo).port));
    const storing = client.store('/tmp/a', bytes(Buffer.alloc(20_000_000)), 'a', never);
    await expect(storing).rejects.toMatchObject({ code: 'AGENT_REFUSED' });
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

describe('waiting for an agent', () => {
  test('that starts late takes hardly longer than its start', async () => {
    await using agent = await emulateAgent({ startAfterMs: 300 });
    const client = new AgentClient(agent.dial);
    const before = performance.now();
    using limit = deadline(5_000, never);
    await client.waitReady(limit.signal);
    expect(performance.now() - before).toBeLessThan(800);
    expect(agent.calls).toEqual(['GET /']);
  });

  test('that never comes ends with the last cause', async () => {
    const agent = await emulateAgent();
    await agent[Symbol.asyncDispose]();
    using limit = deadline(200, never);
    await expect(new AgentClient(agent.dial).waitReady(limit.signal)).rejects.toMatchObject({
      code: 'AGENT_UNREACHABLE',
      cause: { code: 'AGENT_UNREACHABLE', cause: { code: 'ECONNREFUSED' } },
    });
    using soon = deadline(200, never);
    await expect(new AgentClient(agent.dial).reach(soon.signal)).rejects.toMatchObject({
      code: 'AGENT_UNREACHABLE',
      cause: { code: 'ECONNREFUSED' },
    });
  });

  test('ends at once when cancelled, with the reason', async () => {
    await using agent = await emulateAgent({ answers: { 'GET /': () => 'hang' } });
    const cancel = new AbortController();
    const waiting = new AgentClient(agent.dial).waitReady(cancel.signal);
    setTimeout(() => cancel.abort(new Error('cancelled')), 50);
    await expect(waiting).rejects.toThrow('cancelled');
  });

  test('once reached, its connection serves the next call', async () => {
    await using agent = await emulateAgent();
    let dials = 0;
    const client = new AgentClient((signal) => {
      dials += 1;
      return agent.dial(signal);
    });
    await client.reach(never);
    await client.info(never);
    expect(dials).toBe(1);
    await client.info(never);
    expect(dials).toBe(2);
  });
});
