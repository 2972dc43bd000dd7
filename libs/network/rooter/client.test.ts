import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { RooterClient } from './client.js';
import { lines } from './lines.js';
import type { RouteRequest } from './protocol.js';

const never = new AbortController().signal;
const REQUEST: RouteRequest = {
  task: 1,
  machine: 'w',
  ip: '10.0.0.2',
  interface: 'br0',
  resultServer: { ip: '10.0.0.1', port: 2042 },
  agentPort: 8000,
  route: 'drop',
  fakenet: null,
};

interface Line {
  readonly id: number;
  readonly op: string;
  readonly lease?: number;
}

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rooter-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** A rooter that does with each line what the test says. */
async function play(hear: (line: Line, socket: Socket) => void): Promise<AsyncDisposable & { path: string }> {
  const path = join(dir, 's');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    void (async () => {
      for await (const text of lines(socket, 20_000)) hear(JSON.parse(text) as Line, socket);
    })().catch(() => {});
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const answer = (socket: Socket, line: object): void => void socket.write(`${JSON.stringify(line)}\n`);

test('no socket is told with what to do', async () => {
  await expect(RooterClient.connect(join(dir, 'none'), never)).rejects.toMatchObject({
    code: 'ROOTER_AWAY',
    message: expect.stringMatching(/there is no socket of a rooter at .*: start `malkoha rooter` as root/),
  });
});

test('an error of the rooter keeps its code', async () => {
  await using rooter = await play(({ id }, socket) =>
    answer(socket, { id, ok: false, code: 'BAD_REQUEST', message: 'no such machine' }),
  );
  await using client = await RooterClient.connect(rooter.path, never);
  await expect(client.open(REQUEST, never)).rejects.toMatchObject({
    code: 'BAD_REQUEST',
    message: 'no such machine',
  });
});

test('a lease that is answered after its task was cancelled is given back, and no other is touched', async () => {
  let late = (): void => {};
  let closed: (lease: number | undefined) => void = () => {};
  const givenBack = new Promise<number | undefined>((resolve) => (closed = resolve));
  await using rooter = await play((line, socket) => {
    const { id, op } = line;
    if (op === 'open' && id === 2) late = () => answer(socket, { id, ok: true, result: { lease: 22 } });
    else answer(socket, { id, ok: true, result: op === 'open' ? { lease: 11 } : {} });
    if (op === 'open' && id === 2) cancel.abort(new Error('cancelled'));
    if (op === 'close') closed(line.lease);
  });
  const cancel = new AbortController();
  await using client = await RooterClient.connect(rooter.path, never);
  const lease = await client.open(REQUEST, never);
  await expect(client.open({ ...REQUEST, task: 2 }, cancel.signal)).rejects.toThrow('cancelled');
  late();
  expect(await givenBack).toBe(22);
  expect(lease.failed.aborted).toBe(false);
});

test('disposing a lease only cuts its guest off; the lease is kept until it could be closed', async () => {
  const said: string[] = [];
  let closings = 0;
  await using rooter = await play(({ id, op, lease = 0 }, socket) => {
    said.push(`${op} ${lease}`);
    if (op === 'close' && ++closings === 1)
      answer(socket, { id, ok: false, code: 'ROUTE_UNAVAILABLE', message: 'nft is busy' });
    else answer(socket, { id, ok: true, result: op === 'open' ? { lease: 1 } : {} });
  });
  await using client = await RooterClient.connect(rooter.path, never);
  const lease = await client.open(REQUEST, never);
  await lease[Symbol.asyncDispose]();
  await lease.cut(never);
  expect(said).toEqual(['open 0', 'cut 1']);
  await expect(lease.close(never)).rejects.toThrow('nft is busy');
  await lease.close(never);
  await lease.close(never);
  await lease[Symbol.asyncDispose]();
  expect(said).toEqual(['open 0', 'cut 1', 'close 1', 'close 1']);
});

test('a cut that failed is asked for again', async () => {
  let cuts = 0;
  await using rooter = await play(({ id, op }, socket) => {
    if (op === 'cut' && ++cuts === 1)
      answer(socket, { id, ok: false, code: 'ROUTE_UNAVAILABLE', message: 'nft is busy' });
    else answer(socket, { id, ok: true, result: op === 'open' ? { lease: 1 } : {} });
  });
  await using client = await RooterClient.connect(rooter.path, never);
  const lease = await client.open(REQUEST, never);
  await expect(lease.cut(never)).rejects.toThrow('nft is busy');
  await lease.cut(never);
  expect(cuts).toBe(2);
});

test('a lease that comes while the rooter ends has failed', async () => {
  await using rooter = await play(({ id }, socket) => {
    answer(socket, { event: 'ending' });
    answer(socket, { id, ok: true, result: { lease: 1 } });
  });
  await using client = await RooterClient.connect(rooter.path, never);
  const { failed } = await client.open(REQUEST, never);
  expect(failed.reason).toMatchObject({ code: 'ROOTER_AWAY', message: 'the rooter is being stopped' });
});

test.each([
  ['goes away', (socket: Socket) => void socket.destroy(), 'is lost'],
  ['says that it ends', (socket: Socket) => answer(socket, { event: 'ending' }), 'is being stopped'],
  [
    'lost the lease',
    (socket: Socket) => answer(socket, { event: 'lost', lease: 1, reason: 'tables are gone' }),
    'tables are gone',
  ],
  ['talks nonsense', (socket: Socket) => void socket.write('nonsense\n'), 'is lost'],
])('a lease fails when the rooter %s', async (_, act, why) => {
  await using rooter = await play(({ id, op }, socket) => {
    if (op === 'open') answer(socket, { id, ok: true, result: { lease: 1 } });
    if (op === 'routes') act(socket);
  });
  await using client = await RooterClient.connect(rooter.path, never);
  const lease = await client.open(REQUEST, never);
  const failed = once(lease.failed, 'abort');
  const asked = client.routes(AbortSignal.timeout(1000)).catch(() => []);
  await failed;
  expect(lease.failed.reason).toMatchObject({ code: 'ROOTER_AWAY', message: expect.stringContaining(why) });
  await client[Symbol.asyncDispose]();
  await asked;
});

test('a socket of somebody else is told from one that is missing', async () => {
  if (process.getuid?.() === 0) process.seteuid?.(65_534);
  try {
    // Root enters every folder, so the test gives that up meanwhile.
    if (process.geteuid?.() !== 65_534) await chmod(dir, 0);
    await expect(RooterClient.connect(join(dir, 's'), never)).rejects.toThrow(
      /may not use the rooter at .* -g GROUP/,
    );
  } finally {
    if (process.getuid?.() === 0) process.seteuid?.(0);
    else await chmod(dir, 0o700);
  }
});
