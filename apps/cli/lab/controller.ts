import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { HomePaths } from '#config/home.js';
import { SandboxError } from '#domain/errors.js';
import { Cleanup } from '../../cleanup.js';
import { addressUrl } from '../address.js';
import type { Progress } from '../progress.js';
import { Child } from './child.js';
import type { Lab } from './lab.js';
import { lockHome } from './lockfile.js';
import { keepRedis } from './redis.js';
import { optionArgs } from './service.js';

export interface ControllerOptions {
  readonly home: HomePaths;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Redis that others keep; null: one of our own. */
  readonly queue: string | null;
  /** More arguments of the process. */
  readonly args: readonly string[];
  readonly progress: Progress;
}

/** Requests and calls to nodes end within this time; what they were about is gone on with at the next start. */
const GRACE_MS = 20_000;

/**
 * Starts the Distributed API under this process, with a private Redis unless there is another. Each is started again when it
 * dies; both end with the controller.
 *
 * @throws ALREADY_RUNNING, PORT_IN_USE, SETUP_MISSING, … as the failing part says
 */
export async function startController(options: ControllerOptions, signal: AbortSignal): Promise<Lab> {
  const { home, host, queue, progress } = options;
  // Chosen here: it stays the same when the process is started again.
  const port = options.port === 0 ? await freePort(host) : options.port;
  const url = addressUrl(host, port);
  await using stack = new Cleanup();
  stack.use(await lockHome(home.distributed.daemon, url));
  await mkdir(home.distributed.dir, { recursive: true, mode: 0o700 });
  const say = (why: string): void => progress.say(why);
  const redis = queue === null ? stack.use(await keepRedis(home.distributed.redis, say, signal)) : null;
  const places = {
    ...{ home: home.dir, host, port: String(port) },
    queue: redis === null ? (queue ?? undefined) : redis.connection,
  };
  const child = await Child.start(
    {
      name: 'distributed',
      module: fileURLToPath(new URL('../../distributed/main.js', import.meta.url)),
      args: [...optionArgs(places), ...options.args],
      logFile: null,
      graceMs: GRACE_MS,
      onMessage: () => {},
      onRestart: say,
      onDrained: () => {},
    },
    signal,
  );
  stack.defer(() => child.stop(GRACE_MS));
  const owned = stack.move();
  return {
    url,
    broken: Promise.race([child.broken, ...(redis === null ? [] : [redis.broken])]),
    kill: () => {
      child.kill();
      redis?.kill();
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** A TCP port that nobody listens on now. @throws CANNOT_LISTEN when this host has no such address */
async function freePort(host: string): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, host, resolve);
    });
  } catch (cause) {
    throw new SandboxError('CANNOT_LISTEN', `cannot listen on ${JSON.stringify(host)}`, { cause });
  }
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
