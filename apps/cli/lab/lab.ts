import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SandboxError } from '#domain/errors.js';
import type { HomePaths } from '#config/home.js';
import { addressUrl } from '../address.js';
import { show, type Progress } from '../progress.js';
import { Cleanup } from '../../cleanup.js';
import { Child } from './child.js';
import { daemonFile, lockHome } from './lockfile.js';
import { keepRedis } from './redis.js';

export interface LabOptions {
  readonly home: HomePaths;
  readonly host: string;
  readonly port: number;
  /** As `--machinery` has it; undefined: as cuckoo.conf does. */
  readonly machinery: string | undefined;
  readonly machines: number | undefined;
  /** Logs to files under the home folder (analyze), or to our stderr (up). */
  readonly quiet: boolean;
  readonly progress: Progress;
}

export interface Lab extends AsyncDisposable {
  readonly url: string;
  /** Rejects when the lab cannot go on. */
  readonly broken: Promise<never>;
  /** At once, without ceremony: for a second Ctrl-C. */
  kill(): void;
}

/** A worker hands back or finishes what it runs within this time; then it is killed and the next start repairs. */
const GRACE_MS = 20_000;

/**
 * Starts the whole lab under this process: a private Redis, the API, the worker. Each is started again when it
 * dies; all end with the lab.
 *
 * @throws ALREADY_RUNNING, PORT_IN_USE, SETUP_MISSING, … as the failing part says
 */
export async function startLab(options: LabOptions, signal: AbortSignal): Promise<Lab> {
  const { home, host, port, progress } = options;
  const url = addressUrl(host, port);
  await using stack = new Cleanup();
  stack.use(await lockHome(daemonFile(home), url));
  await mkdir(home.logs, { recursive: true, mode: 0o700 });

  const redis = stack.use(await keepRedis(home.redis, (why) => progress.say(why), signal));
  const starting = new AbortController();
  const interrupted = (): void => starting.abort(signal.reason);
  signal.addEventListener('abort', interrupted, { once: true });
  stack.defer(() => signal.removeEventListener('abort', interrupted));
  const child = (name: 'api' | 'worker', args: readonly string[]) =>
    Child.start(
      {
        name,
        module: fileURLToPath(new URL(`../../${name}/main.js`, import.meta.url)),
        args: ['--home', home.dir, ...args],
        graceMs: GRACE_MS,
        logFile: options.quiet ? join(home.logs, `${name}.log`) : null,
        onMessage: (message) => {
          if (message.kind === 'progress') show(progress, message);
        },
        onRestart: (why) => progress.say(why),
        onDrained: () =>
          progress.say(
            `the ${name} is drained: it has ended, and is not started again. What waits stays in the queue; ` +
              '`malkoha worker`, or another `malkoha up`, goes on with it',
          ),
      },
      starting.signal,
    ).catch((error: unknown) => {
      starting.abort(error); // the other need not go on
      throw error;
    });
  const worker = [
    ...(options.machinery === undefined ? [] : ['--machinery', options.machinery]),
    ...(options.machines === undefined ? [] : ['--machines', String(options.machines)]),
  ];
  const [api, machines] = await all([
    child('api', ['--host', host, '--port', String(port)]),
    child('worker', worker),
  ]);
  const children = [machines, api];
  stack.defer(async () => {
    for (const one of children) await one.stop(GRACE_MS);
  });
  const owned = stack.move();
  return {
    url,
    broken: Promise.race([redis.broken, ...children.map((one) => one.broken)]),
    kill: () => {
      for (const one of children) one.kill();
      redis.kill();
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Like Promise.all, but a child that did start is ended when its sibling could not. */
async function all(starting: readonly Promise<Child>[]): Promise<[Child, Child]> {
  try {
    const [first, second] = await Promise.all(starting);
    if (first === undefined || second === undefined)
      throw new SandboxError('INTERNAL', 'the lab did not start');
    return [first, second];
  } catch (error) {
    const results = await Promise.allSettled(starting);
    const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    await Promise.all(started.map((child) => child.stop(GRACE_MS)));
    throw error;
  }
}
