import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { until } from '../../test/support/until.js';
import { RooterServer, type Desk } from './server.js';

const REQUEST = {
  task: 1,
  machine: 'w',
  ip: '10.0.0.2',
  interface: 'br0',
  resultServer: { ip: '10.0.0.1', port: 2042 },
  agentPort: 8000,
  route: 'drop',
  fakenet: null,
};

/** Remembers what was done with which lease. */
class FakeDesk implements Desk {
  readonly done: string[] = [];
  readonly leases = new Set<number>();
  failing = false;
  #next = 1;

  async routes(): Promise<readonly []> {
    return [];
  }
  async open(): Promise<number> {
    const lease = this.#next++;
    this.leases.add(lease);
    return lease;
  }
  async close(lease: number): Promise<void> {
    this.done.push(`close ${lease}`);
    if (this.failing) throw new Error('nft is gone');
    this.leases.delete(lease);
  }
  async cut(lease: number): Promise<void> {
    this.done.push(`cut ${lease}`);
    if (this.failing) throw new Error('nft is gone');
  }
  async abandon(lease: number): Promise<void> {
    this.done.push(`abandon ${lease}`);
  }
  has(lease: number): boolean {
    return this.leases.has(lease);
  }
  async counters(): Promise<{ droppedPackets: number; droppedBytes: number }> {
    return { droppedPackets: 1, droppedBytes: 40 };
  }
}

let dir: string;
let desk: FakeDesk;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rooter-'));
  desk = new FakeDesk();
});
afterEach(() => rm(dir, { recursive: true }));

async function serve(silenceMs?: number): Promise<RooterServer> {
  const rooter = new RooterServer(desk, { log: () => {}, ...(silenceMs !== undefined && { silenceMs }) });
  rooter.server.listen(join(dir, 's'));
  await once(rooter.server, 'listening');
  return rooter;
}

async function ask(socket: Socket, line: object): Promise<unknown> {
  socket.write(`${JSON.stringify(line)}\n`);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return JSON.parse(bytes.toString());
}

const client = (): Socket => connect(join(dir, 's'));

test('guests of a client that goes away are cut off, not taken for stopped', async () => {
  await using _rooter = await serve();
  const socket = client();
  expect(await ask(socket, { id: 1, op: 'open', request: REQUEST })).toEqual({
    id: 1,
    ok: true,
    result: { lease: 1 },
  });
  await ask(socket, { id: 2, op: 'open', request: { ...REQUEST, task: 2 } });
  await ask(socket, { id: 3, op: 'close', lease: 1 });
  socket.destroy();
  await until(() => desk.done.length === 2);
  expect(desk.done).toEqual(['close 1', 'abandon 2']);
});

test('so are those of a client that says nothing', async () => {
  await using _rooter = await serve(50);
  const socket = client();
  await ask(socket, { id: 1, op: 'open', request: REQUEST });
  await once(socket, 'close');
  await until(() => desk.done.length === 1);
  expect(desk.done).toEqual(['abandon 1']);
});

test('the lease of one connection is nobody else’s', async () => {
  await using _rooter = await serve();
  const [mine, other] = [client(), client()];
  await ask(mine, { id: 1, op: 'open', request: REQUEST });
  for (const op of ['cut', 'close', 'counters'])
    expect(await ask(other, { id: 2, op, lease: 1 })).toMatchObject({ ok: false, code: 'BAD_REQUEST' });
  expect(await ask(mine, { id: 3, op: 'counters', lease: 1 })).toMatchObject({ ok: true });
  mine.destroy();
  other.destroy();
});

test('a lease that is cut is still the client’s, and what is closed may be closed again', async () => {
  await using rooter = await serve();
  const socket = client();
  await ask(socket, { id: 1, op: 'open', request: REQUEST });
  expect(await ask(socket, { id: 2, op: 'cut', lease: 1 })).toEqual({ id: 2, ok: true, result: {} });
  const told = once(socket, 'data');
  let isOver = false;
  const ended = rooter.end(60_000).then(() => (isOver = true));
  await told;
  await ask(socket, { id: 3, op: 'ping' });
  expect(isOver).toBe(false);
  for (const id of [4, 5])
    expect(await ask(socket, { id, op: 'close', lease: 1 })).toEqual({ id, ok: true, result: {} });
  await ended;
  expect(desk.done).toEqual(['cut 1', 'cut 1', 'close 1']);
  socket.destroy();
});

test('a guest that cannot be cut off keeps no other’s network when the rooter ends', async () => {
  await using rooter = await serve();
  const socket = client();
  await ask(socket, { id: 1, op: 'open', request: REQUEST });
  await ask(socket, { id: 2, op: 'open', request: { ...REQUEST, task: 2 } });
  desk.failing = true;
  const told = once(socket, 'data');
  await rooter.end(0);
  expect(String((await told)[0])).toBe('{"event":"ending"}\n');
  expect(desk.done).toEqual(['cut 1', 'cut 2']);
  expect(await ask(socket, { id: 3, op: 'close', lease: 1 })).toMatchObject({ ok: false });
  desk.failing = false;
  expect(await ask(socket, { id: 4, op: 'close', lease: 1 })).toMatchObject({ ok: true });
  socket.destroy();
});

test('told to end, it cuts off first, says so, and waits for the machines', async () => {
  await using rooter = await serve();
  const socket = client();
  await ask(socket, { id: 1, op: 'open', request: REQUEST });
  const told = once(socket, 'data');
  const ended = rooter.end(60_000);
  expect(String((await told)[0])).toBe('{"event":"ending"}\n');
  expect(await ask(socket, { id: 2, op: 'open', request: { ...REQUEST, task: 2 } })).toMatchObject({
    ok: false,
    code: 'ROOTER_AWAY',
    message: 'the rooter is being stopped',
  });
  await ask(socket, { id: 3, op: 'close', lease: 1 });
  await ended;
  expect(desk.done).toEqual(['cut 1', 'close 1']);
  socket.destroy();
});
