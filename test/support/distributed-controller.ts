import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DistributedSettings } from '#config/distributed-conf.js';
import { distributedSettings } from '#config/distributed-conf.js';
import { homePaths, type HomePaths } from '#config/home.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import { Cleanup } from '../../apps/cleanup.js';
import type { Context } from '../../apps/distributed/context.js';
import { openContext } from '../../apps/distributed/open-context.js';
import { createServer } from '../../apps/distributed/server.js';
import { readText } from './conf.js';
import type { ScriptedNode } from './scripted-node/start.js';

export type Settings = Partial<Omit<DistributedSettings, 'node'>> & {
  readonly node?: Partial<DistributedSettings['node']>;
};

/** A folder and a Redis that controllers share. */
export interface Place extends AsyncDisposable {
  readonly home: HomePaths;
  /** `sqlite:///…` there, or what was given. */
  readonly db: string;
}

export async function makePlace(db?: string): Promise<Place> {
  await using cleanup = new Cleanup();
  const home = homePaths(await mkdtemp(join(tmpdir(), 'dist-')));
  cleanup.defer(() => rm(home.dir, { recursive: true }));
  cleanup.use(await startPrivateRedis(home.distributed.redis, new AbortController().signal));
  const owned = cleanup.move();
  return {
    home,
    db: db ?? `sqlite:///${join(home.dir, 'dist.db')}`,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

export interface Controller extends AsyncDisposable {
  readonly context: Context;
  readonly url: string;
  readonly log: readonly string[];
  /** Registers a node by its API. */
  addNode(
    name: string,
    node: Pick<ScriptedNode, 'url'>,
    more?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** Submits a URL, or a file when `file` is its text. */
  submit(fields: Readonly<Record<string, string>>, file?: string): Promise<number>;
  /** Waits until the task is there; a test's time-out is the bound. */
  reaches(id: number, ...states: readonly DistTaskRow['state'][]): Promise<DistTaskRow>;
  /** Bytes of a report as they are on disk. */
  report(id: number, format?: string): Promise<string>;
}

/** One controller with its API and its engine, in this process, quick in all that it repeats. */
export async function startController(place: Place, settings: Settings = {}): Promise<Controller> {
  const shutdown = new AbortController();
  const log: string[] = [];
  await using cleanup = new Cleanup((error) => log.push(`while ending: ${String(error)}`));
  const defaults = readText(distributedSettings, '', 'distributed.conf').settings;
  const context = await openContext(
    {
      home: place.home,
      settings: {
        ...defaults,
        ...{
          db: place.db,
          samplesDirectory: join(place.home.dir, 'samples'),
          reportsDirectory: join(place.home.dir, 'reports'),
        },
        ...{ reportFormats: ['json'], interval: 1, freespace: 0 },
        ...settings,
        node: { ...defaults.node, connectTimeout: 2, answerTimeout: 1, ...settings.node },
      },
      log: (level, message, fields) => log.push(`${level}: ${message} ${JSON.stringify(fields)}`),
      shutdown: shutdown.signal,
    },
    cleanup,
  );
  const app = await createServer(context);
  cleanup.defer(() => app.close());
  cleanup.defer(() => shutdown.abort());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const owned = cleanup.move();

  const post = async (path: string, fields: Readonly<Record<string, string>>, file?: string) => {
    const body = new FormData();
    if (file !== undefined) body.set('file', new Blob([file]), fields['name'] ?? 'sample.sh');
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    const answer = await fetch(`${url}${path}`, { method: 'POST', body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  return {
    context,
    url,
    log,
    addNode: async (name, node, more = {}) => {
      await post('/node', { name, url: node.url, ...more });
    },
    submit: async (fields, file) => Number((await post('/task', fields, file))['task_id']),
    reaches: async (id, ...states) => {
      for (;;) {
        const task = await context.tasks.find(id);
        if (task && states.includes(task.state)) return task;
        await sleep(10);
      }
    },
    report: (id, format = 'json') => readFile(context.reports.path(id, format), 'utf8'),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
