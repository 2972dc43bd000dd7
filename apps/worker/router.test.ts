import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OwnMachine } from '#domain/machine.js';
import { pcapHeader } from '#formats/pcap-writer.js';
import { any, fragile, never } from '#machinery/pool.fake.js';
import { MachinePool } from '#machinery/pool.js';
import { openBridged } from '#network/bridged/bridged-network.js';
import { lines } from '#network/rooter/lines.js';
import { Router } from './router.js';
import { aMachine } from '../../test/support/machine.js';
import { until } from '../../test/support/until.js';

const machine: OwnMachine = { ...aMachine('a'), interface: 'lo', options: ['nictrace'], agentPort: 8000 };
const WANTED = {
  ...{ task: 1, machine: 'a', ip: machine.ip, interface: 'lo', resultServer: machine.resultServer },
  ...{ agentPort: 8000, route: 'drop', fakenet: null },
};

let dir: string;
let log: string[];
let rooter: FakeRooter;
let router: Router;

/** Answers every line with success, and writes down which came; what waits for `hold` is answered then. */
class FakeRooter {
  readonly sockets = new Set<Socket>();
  connections = 0;
  hold: Promise<void> | null = null;
  #leases = 0;
  readonly #server: Server;

  constructor(readonly path: string) {
    this.#server = createServer((socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('error', () => {}).once('close', () => this.sockets.delete(socket));
      void this.#serve(socket).catch(() => {});
    });
    this.#server.listen(path);
  }

  async #serve(socket: Socket): Promise<void> {
    for await (const text of lines(socket, 20_000)) {
      const { id, op } = JSON.parse(text) as { id: number; op: string };
      if (op !== 'ping') log.push(op);
      if (op === 'close') await this.hold;
      const result = op === 'open' ? { lease: ++this.#leases } : { droppedPackets: 0, droppedBytes: 0 };
      socket.write(`${JSON.stringify({ id, ok: true, result })}\n`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'router-'));
  log = [];
  rooter = new FakeRooter(join(dir, 's'));
  router = new Router(rooter.path);
});
afterEach(async () => {
  await router[Symbol.asyncDispose]();
  await rooter[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** A run as `detonate` and the analyst do it: the network ends before the machine is given back. */
async function run(pool: MachinePool, onRunning = (): void => {}): Promise<void> {
  await using lease = await pool.acquire(any, never);
  const network = await openBridged(
    {
      ...{ machine, taskId: 1, route: 'drop', options: null, dir, router, fakenet: null },
      ...{ sniffer: { enabled: true, tcpdump: '', bpf: '' }, onNote: () => {} },
      capture: async (_machine, path) => {
        await writeFile(path, pcapHeader());
        return { [Symbol.asyncDispose]: async () => void log.push('capture closed') };
      },
    },
    never,
  );
  await lease.start(never);
  onRunning();
  await network.finish();
}

function machines() {
  const fake = fragile([machine], 0, (verb) => {
    if (log.includes('open')) log.push(verb);
  });
  const pool = new MachinePool([fake], { startLimit: 1, onStopped: ({ name }) => router.stopped(name) });
  return { fake, pool };
}

describe('the lease of a guest', () => {
  test('is cut, its capture closed, its machine stopped; only then is it closed, and before the next one opens', async () => {
    const { pool } = machines();
    await run(pool);
    await run(pool);
    await pool.close(never);
    const one = ['open', 'start', 'counters', 'cut', 'capture closed', 'stop'];
    const seen = log.filter((what) => what !== 'prepare');
    expect(seen.slice(0, 7)).toEqual([...one, 'close']);
    expect(seen.slice(7, 13)).toEqual(one);
    expect(rooter.connections).toBe(1);
  });

  test('is not closed while its machine does not stop', async () => {
    const { fake, pool } = machines();
    await run(pool, () => fake.failing.add('stop a'));
    await until(() => pool.states()[0]?.state === 'quarantined');
    // It is tested again and again.
    await until(() => log.filter((what) => what === 'stop').length > 1);
    expect(log).toContain('cut');
    expect(log).not.toContain('close');
    fake.failing.clear();
    await until(() => log.includes('close'));
    await pool.close(never);
  });

  test('is waited for by the next one of its machine, and by no other', async () => {
    let release = (): void => {};
    rooter.hold = new Promise((resolve) => (release = resolve));
    await router.open(WANTED, never);
    router.stopped('a');
    const next = router.open({ ...WANTED, task: 2 }, never);
    const impatient = new AbortController();
    const other = expect(router.open({ ...WANTED, task: 3 }, impatient.signal)).rejects.toThrow('enough');
    await until(() => log.includes('close'));
    impatient.abort(new Error('enough'));
    await other;
    expect(log).toEqual(['open', 'close']);
    release();
    await next;
    expect(log).toEqual(['open', 'close', 'open']);
  });
});

test('tasks that begin at once share one connection, and one that is cancelled takes it from nobody', async () => {
  const cancel = new AbortController();
  const cancelled = expect(router.open(WANTED, cancel.signal)).rejects.toThrow('cancelled');
  const others = ['b', 'c'].map((name, n) => router.open({ ...WANTED, task: n + 2, machine: name }, never));
  cancel.abort(new Error('cancelled'));
  await Promise.all([cancelled, ...others]);
  expect(rooter.connections).toBe(1);
});

test('a connection that was lost is made anew, and a lease of it is forgotten when its machine stops', async () => {
  const problems: string[] = [];
  await using one = new Router(rooter.path, (_machine, what) => void problems.push(what));
  const { failed } = await one.open(WANTED, never);
  for (const socket of rooter.sockets) socket.destroy();
  await once(failed, 'abort');
  expect(failed.reason).toMatchObject({ code: 'ROOTER_AWAY' });
  one.stopped('a');
  await one.open(WANTED, never);
  expect({ problems, log, connections: rooter.connections }).toEqual({
    ...{ problems: [], log: ['open', 'open'], connections: 2 },
  });
});

test('without a rooter the error says so, and once there is one it is found', async () => {
  await using lone = new Router(join(dir, 'later'));
  await expect(lone.open(WANTED, never)).rejects.toMatchObject({ code: 'ROOTER_AWAY' });
  await using later = new FakeRooter(join(dir, 'later'));
  await lone.open(WANTED, never);
  expect(later.connections).toBe(1);
});
