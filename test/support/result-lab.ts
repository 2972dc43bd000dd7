import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UploadEntry } from '#domain/artifacts.js';
import { ResultServer, type OpenOptions, type Results } from '#resultserver/resultserver.js';
import type { Limits } from '#resultserver/limits.js';

/** The address of the first task's guest; every 127.x.y.z is this host's. */
export const GUEST = '127.0.0.2';

/** A listening result server with one open task, and a guest that can send to it. */
export interface ResultLab extends AsyncDisposable {
  readonly server: ResultServer;
  readonly results: Results;
  readonly dir: string;
  readonly port: number;
  readonly anomalies: string[];
  readonly entries: UploadEntry[];
  /** Opens a second task. */
  task(options: Partial<OpenOptions>): Promise<{ results: Results; dir: string }>;
  /** Connects as a guest. */
  connect(from?: string): Promise<Socket>;
  /** One whole connection: the pieces, then FIN; resolves when the server has closed its side too. */
  send(pieces: string | Buffer | readonly (string | Buffer)[], from?: string): Promise<void>;
  read(path: string): Promise<string>;
  /** files.json, parsed. */
  files(): Promise<unknown[]>;
}

export async function resultLab(
  options: Partial<OpenOptions> & { readonly limits?: Partial<Limits> } = {},
): Promise<ResultLab> {
  const { limits, ...task } = options;
  const dirs: string[] = [];
  const anomalies: string[] = [];
  const entries: UploadEntry[] = [];
  const server = new ResultServer(limits ? { limits } : {});
  const { port } = await server.listen('127.0.0.1', 0);

  const open = async (more: Partial<OpenOptions>) => {
    const dir = await mkdtemp(join(tmpdir(), 'malkoha-results-'));
    dirs.push(dir);
    const results = await server.open({
      id: dirs.length,
      dir,
      dialect: 'cuckoo2',
      guestIp: GUEST,
      onAnomaly: (what) => anomalies.push(what),
      onStored: (entry) => entries.push(entry),
      ...more,
    });
    return { results, dir };
  };
  const dial = async (from = GUEST) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const { results, dir } = await open(task);
  return {
    server,
    results,
    dir,
    port,
    anomalies,
    entries,
    task: open,
    connect: dial,
    async send(pieces, from) {
      const socket = await dial(from);
      socket.setNoDelay(true);
      const closed = new Promise((resolve) => socket.once('close', resolve)); // by a reset too
      socket.resume();
      const list = Array.isArray(pieces) ? (pieces as readonly (string | Buffer)[]) : [pieces as string];
      for (const [at, piece] of list.entries()) {
        if (at > 0) await sleep(1);
        socket.write(piece);
      }
      socket.end();
      await closed;
    },
    read: (path) => readFile(join(dir, path), 'latin1'),
    async files() {
      const lines = (await readFile(join(dir, 'files.json'), 'utf8')).split('\n');
      return lines.filter(Boolean).map((line) => JSON.parse(line) as unknown);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      for (const made of dirs) await rm(made, { recursive: true, force: true });
    },
  };
}

/** Waits until `done()`, at most five seconds. */
export async function eventually(done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 5 s');
    await sleep(5);
  }
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
