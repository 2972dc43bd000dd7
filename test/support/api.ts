import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { cuckooSettings } from '#config/cuckoo-settings.js';
import { homePaths } from '#config/home.js';
import { startPrivateRedis, type PrivateRedis } from '#queue/private-redis.js';
import type { Context } from '../../apps/api/context.js';
import { openContext } from '../../apps/api/open-context.js';
import { createServer } from '../../apps/api/server.js';
import { Cleanup } from '../../apps/cleanup.js';
import { TIME_LIMITS, type TimeLimits } from '../../apps/http/server.js';
import { readText } from './conf.js';
import { THREADS } from './threads.js';

export interface TestApi extends AsyncDisposable {
  readonly app: NestFastifyApplication;
  readonly context: Context;
  readonly redis: PrivateRedis;
  /** http://127.0.0.1:<port> */
  readonly url: string;
  readonly log: string[];
}

/** The real API on a real port, over a real Redis and SQLite, in a home folder of its own. `conf` is text of cuckoo.conf. */
export async function startApi(conf = '', limits: Partial<TimeLimits> = {}): Promise<TestApi> {
  const home = homePaths(await mkdtemp(join(tmpdir(), 'malkoha-api-')));
  await using cleanup = new Cleanup();
  cleanup.defer(() => rm(home.dir, { recursive: true }));
  const redis = cleanup.use(await startPrivateRedis(home.redis, new AbortController().signal));
  const api = cleanup.use(await serve({ home: home.dir, conf, redis, limits }));
  const owned = cleanup.move();
  return { ...api, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

/** Another API on the home folder and the Redis of `api`, as after a restart, or beside it. */
export async function startBeside(api: TestApi, conf = ''): Promise<TestApi> {
  return serve({ home: api.context.home.dir, conf, redis: api.redis, limits: {} });
}

interface Served {
  readonly home: string;
  readonly conf: string;
  readonly redis: PrivateRedis;
  readonly limits: Partial<TimeLimits>;
}

async function serve({ home, conf, redis, limits }: Served): Promise<TestApi> {
  await using cleanup = new Cleanup();
  const shutdown = new AbortController();
  const log: string[] = [];
  const context = await openContext(
    {
      home,
      settings: readText(cuckooSettings, conf, 'cuckoo.conf').settings,
      log: (level, message, fields) => log.push(`${level}: ${message} ${JSON.stringify(fields)}`),
      shutdown: shutdown.signal,
      threads: THREADS,
    },
    cleanup,
  );
  const app = await createServer(context, { ...TIME_LIMITS, ...limits });
  cleanup.defer(() => app.close());
  cleanup.defer(() => shutdown.abort());
  await app.listen(0, '127.0.0.1');
  await context.queues.redis.ping();
  const owned = cleanup.move();
  return {
    app,
    context,
    redis,
    url: await app.getUrl(),
    log,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
