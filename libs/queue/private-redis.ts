import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { deadline } from '#domain/deadline.js';
import { SandboxError } from '#domain/errors.js';
import { startTime } from './worker-id.js';

export interface PrivateRedisPlaces {
  /** Append-only file. */
  readonly dir: string;
  readonly socket: string;
  readonly pidFile: string;
}

export interface PrivateRedis extends AsyncDisposable {
  /** unix:///<socket> */
  readonly connection: string;
  readonly pid: number;
  /** Aborts when the server ends without being asked to; the reason says how. */
  readonly lost: AbortSignal;
}

interface Recorded {
  readonly pid: number;
  readonly startTime: number;
  readonly ownerPid: number;
  readonly ownerStartTime: number;
}

/** Bytes of a unix socket's path the kernel takes, without the ending zero (unix(7)). */
const SOCKET_PATH_LIMIT = 107;
/** Milliseconds the server may take to load its append-only file. */
const READY_TIMEOUT_MS = 60_000;
/** Milliseconds it may take to write what is left and end, before it is killed. */
const STOP_TIMEOUT_MS = 10_000;
/** util-linux; without it the next start ends an orphan by the pid file. */
const SETPRIV = '/usr/bin/setpriv';

/**
 * Starts a redis-server of our own on a unix socket, without a TCP port, and waits until it answers. What was in its
 * append-only file is there again. Synced every second: SQL is the truth, and the reconciler adds what a lost second held.
 *
 * The server ends with this process, however that ends: the kernel sends it SIGTERM (PR_SET_PDEATHSIG), and one
 * that is left all the same is ended by the next start, found by the pid and start time in the pid file.
 *
 * @throws ALREADY_RUNNING when another live process owns the recorded server, SETUP_MISSING when none can be started
 */
export async function startPrivateRedis(
  places: PrivateRedisPlaces,
  signal: AbortSignal,
): Promise<PrivateRedis> {
  const { dir, socket, pidFile } = places;
  if (Buffer.byteLength(socket) > SOCKET_PATH_LIMIT) {
    throw new SandboxError(
      'SETUP_MISSING',
      `the path of the Redis socket is longer than ${SOCKET_PATH_LIMIT} bytes; choose a shorter home folder (${socket})`,
    );
  }
  for (const folder of [dir, dirname(socket), dirname(pidFile)])
    await mkdir(folder, { recursive: true, mode: 0o700 });
  await endOrphan(pidFile, signal);
  await rm(socket, { force: true });

  const child = launch(places);
  const ended = endOf(child);
  try {
    await record(pidFile, child);
    await ready(child, ended, signal);
    await chmod(socket, 0o600);
  } catch (error) {
    await stop(child, ended);
    await rm(pidFile, { force: true });
    throw error;
  }

  const lost = new AbortController();
  let stopping = false;
  void ended.then((how) => {
    if (!stopping) lost.abort(new SandboxError('QUEUE_UNAVAILABLE', `the private redis-server ${how}`));
  });
  return {
    connection: `unix://${socket}`,
    pid: child.pid ?? 0,
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      stopping = true;
      await stop(child, ended);
      await rm(pidFile, { force: true });
      await rm(socket, { force: true });
    },
  };
}

function launch({ dir, socket }: PrivateRedisPlaces): ChildProcess {
  const server = [
    'redis-server',
    ...['--port', '0', '--unixsocket', socket, '--unixsocketperm', '600'],
    ...['--dir', dir, '--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
    ...['--maxmemory-policy', 'noeviction', '--daemonize', 'no', '--loglevel', 'notice', '--logfile', ''],
  ];
  const [program = '', ...args] = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'TERM', ...server] : server;
  // Its own process group: Ctrl-C in a terminal is for us, and Redis must last until our work is handed back.
  return spawn(program, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
}

/** Resolves, never rejects, with how the child ended. */
async function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`did not start: ${error.message}`));
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `ended with code ${code ?? 0}` : `was ended by ${signal}`),
    );
  });
}

/** Its own word that the append-only file is loaded and the socket open. */
async function ready(child: ChildProcess, ended: Promise<string>, signal: AbortSignal): Promise<void> {
  const said: string[] = [];
  const listening = new Promise<void>((resolve) => {
    for (const output of [child.stdout, child.stderr]) {
      if (!output) continue;
      createInterface({ input: output }).on('line', (line) => {
        said.push(line);
        if (said.length > 5) said.shift();
        if (/ready to accept connections/i.test(line)) resolve();
      });
    }
  });
  using limit = deadline(READY_TIMEOUT_MS, signal);
  const aborted = once(limit.signal, 'abort').then(() => 'was not ready in time');
  const outcome = await Promise.race([listening.then(() => null), ended, aborted]);
  signal.throwIfAborted();
  if (outcome !== null) {
    throw new SandboxError(
      'SETUP_MISSING',
      `redis-server ${outcome}; is the package redis-server installed?`,
      {
        cause: said.length > 0 ? new Error(said.join(' | ')) : undefined,
      },
    );
  }
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(kill);
}

async function record(pidFile: string, child: ChildProcess): Promise<void> {
  const pid = child.pid;
  if (pid === undefined) return; // it did not start; `ready` says so
  const recorded: Recorded = {
    pid,
    startTime: startTime(pid) ?? 0,
    ownerPid: process.pid,
    ownerStartTime: startTime(process.pid) ?? 0,
  };
  await writeFile(`${pidFile}.new`, JSON.stringify(recorded));
  await rename(`${pidFile}.new`, pidFile);
}

/** Ends the server a dead owner left behind. Never touches a process that only has the same pid. */
async function endOrphan(pidFile: string, signal: AbortSignal): Promise<void> {
  const recorded = await readRecord(pidFile);
  if (!recorded || startTime(recorded.pid) !== recorded.startTime) return;
  if (startTime(recorded.ownerPid) === recorded.ownerStartTime) {
    throw new SandboxError(
      'ALREADY_RUNNING',
      `process ${recorded.ownerPid} already runs on this home folder`,
    );
  }
  process.kill(recorded.pid, 'SIGTERM');
  for (let waited = 0; startTime(recorded.pid) === recorded.startTime; waited += 20) {
    // It is not our child: the kernel tells its end to nobody here but through /proc.
    await sleep(20, undefined, { signal });
    if (waited === STOP_TIMEOUT_MS) process.kill(recorded.pid, 'SIGKILL');
  }
}

async function readRecord(pidFile: string): Promise<Recorded | null> {
  try {
    return JSON.parse(await readFile(pidFile, 'utf8')) as Recorded;
  } catch {
    return null; // no file, or half of one: no server to look for
  }
}
