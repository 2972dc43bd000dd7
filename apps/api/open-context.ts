import { Unpacker, type ThreadProgram } from '#archives/unpacker.js';
import { homePaths, withArtifacts } from '#config/home.js';
import type { CuckooSettings } from '#config/cuckoo-settings.js';
import { TERMINAL } from '#domain/task.js';
import { changeEvent, EventLog } from '#queue/events.js';
import { MachineNotes } from '#queue/machine-notes.js';
import { Queues } from '#queue/queues.js';
import { connectRedis, queueConnection } from '#queue/redis.js';
import type { ArtifactStore } from '#storage/artifacts/store.js';
import { sweepUploads } from '#storage/binaries.js';
import { openConfigured } from '#storage/database.js';
import { Deliveries } from '#storage/deliveries.js';
import { Machines } from '#storage/machines.js';
import { Tasks } from '#storage/tasks.js';
import { Webhooks } from '#storage/webhooks.js';
import { Workers } from '#storage/workers.js';
import { reason } from '#domain/errors.js';
import type { Cleanup } from '../cleanup.js';
import type { Log } from '../log.js';
import { openArtifacts } from '../open-artifacts.js';
import { Context } from './context.js';
import { sweepScratch } from './downloads/scratch.js';
import { Fleet } from './scheduling/fleet.js';
import { RepairBell } from './scheduling/repair-bell.js';
import { TaskWatch } from './task-watch.js';
import { FactsThreads } from './facts/facts-threads.js';
import { ApiMetrics } from './metrics/api-metrics.js';
import { Deliverer } from './webhooks/deliverer.js';

/** Milliseconds between looks at how much of an object store is kept here. */
const TRIM_MS = 10 * 60_000;

export interface ContextOptions {
  readonly home: string;
  readonly settings: CuckooSettings;
  readonly log: Log;
  readonly shutdown: AbortSignal;
  /** What unpacks containers, and what follows uploads; default: the built ones. */
  readonly threads?: { readonly unpack: ThreadProgram; readonly facts: ThreadProgram };
}

/** Opens the database and the queue; `cleanup` closes them. A Redis that is away is waited for in the background. */
export async function openContext(options: ContextOptions, cleanup: Cleanup): Promise<Context> {
  const { settings, log, shutdown } = options;
  const home = withArtifacts(homePaths(options.home), settings.artifacts.location);
  const onError = (error: unknown) => log('warn', `queue: ${reason(error)}`, { code: 'QUEUE_UNAVAILABLE' });

  const redis = connectRedis(queueConnection(settings.queue.connection, home.redis.socket), onError);
  cleanup.defer(() => redis.disconnect());
  await sweepUploads(home.binaries);
  await sweepScratch(home.scratch);
  const db = await openConfigured(settings.database, home.database);
  cleanup.defer(() => db.destroy());

  const artifacts = cleanup.use(openArtifacts(settings.artifacts, home, db));
  cleanup.defer(trimming(artifacts, log));
  const unpacker = new Unpacker(home.unpacking, options.threads?.unpack);
  await unpacker.sweep();
  const facts = cleanup.use(new FactsThreads(options.threads?.facts));
  const events = new EventLog(redis, onError);
  const tasks = new Tasks(db, (task, status) => void events.publish(changeEvent(task, status)));
  const watch = new TaskWatch(tasks, onError);
  const queues = cleanup.use(new Queues(redis, onError, settings.scheduler));
  const machines = new Machines(db);
  const workers = new Workers(db);
  const webhooks = new Webhooks(db);
  const deliveries = new Deliveries(db);
  const { targets } = home;
  const allowPrivate = settings.webhooks.allow_private;
  const deliverer = cleanup.use(new Deliverer({ webhooks, deliveries, tasks, targets, allowPrivate, log }));
  cleanup.use(
    events.tail(({ event }) => {
      watch.tell(event);
      if (event.kind === 'status' && TERMINAL.includes(event.status)) deliverer.wake();
    }),
  );
  return new Context({
    home,
    settings,
    db,
    tasks,
    artifacts,
    machines,
    workers,
    fleet: new Fleet(machines, workers),
    queues,
    notes: new MachineNotes(redis),
    repair: cleanup.use(new RepairBell(redis)),
    events,
    watch,
    webhooks,
    deliveries,
    deliverer,
    unpacker,
    facts,
    metrics: cleanup.use(new ApiMetrics()),
    log,
    shutdown,
  });
}

/** Returns what ends it. */
function trimming(artifacts: ArtifactStore, log: Log): () => Promise<void> {
  const end = new AbortController();
  let going = Promise.resolve();
  const timer = setInterval(() => {
    going = going
      .then(() => artifacts.trim(end.signal))
      .catch((error: unknown) => log('warn', `cache not trimmed: ${reason(error)}`));
  }, TRIM_MS);
  return async () => {
    clearInterval(timer);
    end.abort();
    await going;
  };
}
