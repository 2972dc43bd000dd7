import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { distributedSettings, type DistributedSettings } from '#config/distributed-conf.js';
import { homePaths } from '#config/home.js';
import { openDistDatabase } from '#distribution/database.js';
import { Nodes } from '#distribution/nodes.js';
import { ReportFiles } from '#distribution/report-files.js';
import { SampleFiles } from '#distribution/sample-files.js';
import { Statuses } from '#distribution/statuses.js';
import { DistTasks } from '#distribution/tasks.js';
import type { Redis } from 'ioredis';
import { Cleanup } from '../../apps/cleanup.js';
import { Clients } from '../../apps/distributed/clients.js';
import { Context } from '../../apps/distributed/context.js';
import { createServer } from '../../apps/distributed/server.js';
import { readText } from './conf.js';

export interface TestDistributed extends AsyncDisposable {
  readonly app: NestFastifyApplication;
  readonly context: Context;
  /** http://127.0.0.1:<port> */
  readonly url: string;
  readonly log: string[];
  /** What the engine was told, such as `place` and `remove 3`. */
  readonly rung: string[];
}

export interface DistributedOptions {
  /** As distributed.conf has it. */
  readonly db: string;
  readonly redis: Redis;
  /** Text of distributed.conf. */
  readonly conf?: string;
  readonly settings?: Partial<DistributedSettings>;
  /** Milliseconds that a node may take for an answer. */
  readonly answerMs?: number;
}

/** The Distributed API alone, without an engine, on a real port and in a temporary folder: tests move the tasks. */
export async function startDistributed(options: DistributedOptions): Promise<TestDistributed> {
  await using cleanup = new Cleanup();
  const home = homePaths(await mkdtemp(join(tmpdir(), 'distributed-')));
  cleanup.defer(() => rm(home.dir, { recursive: true }));
  const settings: DistributedSettings = {
    ...readText(distributedSettings, options.conf ?? '', 'distributed.conf').settings,
    samplesDirectory: join(home.dir, 'samples'),
    reportsDirectory: join(home.dir, 'reports'),
    reportFormats: ['json'],
    ...options.settings,
  };
  const db = await openDistDatabase(options.db, home.dir);
  cleanup.defer(() => db.destroy());
  const clients = new Clients({
    connect: 2000,
    answer: options.answerMs ?? 10_000,
    reportSize: 1e9,
    linkLocal: false,
  });
  cleanup.defer(() => clients[Symbol.dispose]());
  const tasks = new DistTasks(db, { ageingMs: settings.ageing * 1000 });
  const shutdown = new AbortController();
  const [log, rung]: string[][] = [[], []];
  const context = new Context({
    ...{ home, settings, db, clients, redis: options.redis, shutdown: shutdown.signal },
    tasks,
    nodes: new Nodes(db),
    statuses: new Statuses(db),
    samples: new SampleFiles(settings.samplesDirectory, (hashes) => tasks.samplesInUse(hashes)),
    reports: new ReportFiles(settings.reportsDirectory, (ids) => tasks.notDeleted(ids)),
    bells: {
      place: () => rung?.push('place'),
      remove: (nodeId) => rung?.push(`remove ${nodeId}`),
      nodes: () => rung?.push('nodes'),
    },
    log: (level, message, fields) => log?.push(`${level}: ${message} ${JSON.stringify(fields)}`),
  });
  const app = await createServer(context);
  cleanup.defer(() => app.close());
  cleanup.defer(() => shutdown.abort());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const owned = cleanup.move();
  return {
    ...{ app, context, url, log: log ?? [], rung: rung ?? [] },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
