import { mkdir } from 'node:fs/promises';
import type { DistributedSettings } from '#config/distributed-conf.js';
import type { HomePaths } from '#config/home.js';
import { openDistDatabase } from '#distribution/database.js';
import { Nodes } from '#distribution/nodes.js';
import { ReportFiles } from '#distribution/report-files.js';
import { SampleFiles } from '#distribution/sample-files.js';
import { Statuses } from '#distribution/statuses.js';
import { DistTasks } from '#distribution/tasks.js';
import { connectRedis, queueConnection } from '#queue/redis.js';
import type { Cleanup } from '../cleanup.js';
import type { Log } from '../log.js';
import { OutageLog } from '../outage-log.js';
import { Clients } from './clients.js';
import { Context } from './context.js';
import { Engine } from './engine/engine.js';
import { openFolder } from './folders.js';
import { startUptimeLog } from './uptime.js';

const SECOND_MS = 1000;

export interface ContextOptions {
  readonly home: HomePaths;
  readonly settings: DistributedSettings;
  readonly log: Log;
  readonly shutdown: AbortSignal;
}

/** Opens database, folders and queue, and starts this controller's share of the work; `cleanup` ends all of it. */
export async function openContext(options: ContextOptions, cleanup: Cleanup): Promise<Context> {
  const { home, settings, log, shutdown } = options;
  const outages = new OutageLog(log);

  // Tasks name samples, and reports hold what samples did: nobody else's to read.
  await mkdir(home.distributed.dir, { recursive: true, mode: 0o700 });
  const db = await openDistDatabase(settings.db, home.distributed.dir);
  cleanup.defer(() => db.destroy());
  const tasks = new DistTasks(db, { ageingMs: settings.ageing * SECOND_MS });
  const nodes = new Nodes(db);
  await openFolder(settings.samplesDirectory, 'samples_directory');
  await openFolder(settings.reportsDirectory, 'reports_directory');
  const samples = new SampleFiles(settings.samplesDirectory, (hashes) => tasks.samplesInUse(hashes));
  const reports = new ReportFiles(settings.reportsDirectory, (ids) => tasks.notDeleted(ids));

  const redis = connectRedis(queueConnection(settings.queue, home.distributed.redis.socket), outages.onError);
  outages.watch(redis);
  cleanup.defer(() => redis.disconnect());
  const { connectTimeout, answerTimeout, reportMaxSize, allowLinkLocal } = settings.node;
  const clients = new Clients({
    connect: connectTimeout * SECOND_MS,
    answer: answerTimeout * SECOND_MS,
    reportSize: reportMaxSize,
    linkLocal: allowLinkLocal,
  });
  cleanup.defer(() => clients[Symbol.dispose]());

  const parts = {
    ...{ settings, clients, nodes, tasks, samples, reports, log, shutdown },
    statuses: new Statuses(db),
  };
  const engine = cleanup.use(await Engine.start(parts, redis, outages.onError));
  const { uptimeLogfile: path, interval } = settings;
  if (path !== null) cleanup.use(await startUptimeLog({ path, nodes, interval, log }));
  return new Context({ ...parts, home, db, redis, bells: engine.bells });
}
