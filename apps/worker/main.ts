import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { homePaths } from '#config/home.js';
import { loadSettings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import { changeEvent, EventLog } from '#queue/events.js';
import { Queues } from '#queue/queues.js';
import { HEARTBEAT_MS, reconcile } from '#queue/reconcile.js';
import { connectRedis, queueConnection } from '#queue/redis.js';
import { workerId, workerIsGone } from '#queue/worker-id.js';
import { openConfigured } from '#storage/database.js';
import { Machines } from '#storage/machines.js';
import { Tasks } from '#storage/tasks.js';
import { aborted } from '../aborted.js';
import { Cleanup } from '../cleanup.js';
import { runMain, shutdownSignal, tell } from '../ipc.js';
import { createLog } from '../log.js';
import type { Analyst } from './analyst.js';
import { consumeAnalyses, consumeProcessing } from './consumers.js';
import { openLab } from './open-lab.js';

const RECONCILE_MS = 60_000;
const log = createLog('worker');

await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({
    options: {
      home: { type: 'string' },
      machinery: { type: 'string' },
      machines: { type: 'string' },
      'prepare-only': { type: 'boolean' },
    },
  });
  if (values.home === undefined) throw new SandboxError('USAGE', 'worker: --home DIR is needed');
  const home = homePaths(values.home);
  const { settings } = await loadSettings(home.conf);
  await using cleanup = new Cleanup((error) => log('error', `while ending: ${reason(error)}`));

  const worker = workerId();
  const db = await openConfigured(settings.cuckoo.database, home.database);
  cleanup.defer(() => db.destroy());
  const machines = new Machines(db);
  const lab = cleanup.use(
    await openLab(
      {
        home,
        settings,
        machinery: values.machinery,
        machines: values.machines === undefined ? undefined : Number(values.machines),
        log,
        onProgress: (line, lasting) => tell({ kind: 'progress', line, lasting }),
      },
      shutdown,
    ),
  );
  if (values['prepare-only'] === true) return;
  await machines.register(worker, lab.machines, workerIsGone);
  lab.onMachine = (name, change) =>
    void machines
      .update(name, change)
      .catch((error: unknown) =>
        log('warn', `machine state not stored: ${reason(error)}`, { machine: name }),
      );

  const redis = connectRedis(queueConnection(settings.cuckoo.queue.connection, home.redis.socket), (error) =>
    log('warn', `Redis: ${error.message}`, { code: 'QUEUE_UNAVAILABLE' }),
  );
  cleanup.defer(() => redis.disconnect());
  const queues = cleanup.use(new Queues(redis, (error) => log('warn', `queue: ${error.message}`)));
  const events = new EventLog(redis, (error) => log('debug', error.message));
  const tasks = new Tasks(db, (task, status) => void events.publish(changeEvent(task, status)));
  const by: Analyst = {
    worker,
    home,
    settings: settings.cuckoo,
    tasks,
    lab,
    log,
    onPhase: (task, phase, ms, machine) => {
      log('info', `phase ${phase}`, {
        task,
        stage: phase,
        ms,
        ...(machine === undefined ? {} : { machine }),
      });
      void events.publish({
        task,
        kind: 'phase',
        phase,
        ms,
        at: new Date().toISOString(),
        ...(machine === undefined ? {} : { machine }),
      });
    },
  };

  const repair = async (): Promise<void> => {
    try {
      await analyses.heartbeat(); // what a pause of this process made silent is not dead
      const repaired = await reconcile(tasks, queues, workerIsGone, shutdown);
      if (Object.values(repaired).some((ids: readonly number[]) => ids.length > 0))
        log('warn', 'repaired what a crash left', { ...repaired });
    } catch (error) {
      if (!shutdown.aborted) log('warn', `not reconciled: ${reason(error)}`);
    }
  };
  const every = (ms: number, work: () => Promise<unknown>): void => {
    const timer = setInterval(() => void work().catch((error: unknown) => log('warn', reason(error))), ms);
    cleanup.defer(() => clearInterval(timer));
  };
  every(RECONCILE_MS, repair);

  cleanup.use(consumeProcessing(by, queues));
  const analyses = cleanup.use(consumeAnalyses(by, queues, lab.machines.length, shutdown));
  every(HEARTBEAT_MS, () => analyses.heartbeat());
  cleanup.use(events.tail(({ event }) => analyses.hear(event)));
  if (redis.status !== 'ready') await once(redis, 'ready', { signal: shutdown });
  await repair();

  tell({ kind: 'ready' });
  log('info', `ready with ${lab.machines.length} machines`);
  await aborted(shutdown);
  log('info', `ending: ${reason(shutdown.reason)}`);
});
if (process.connected) process.disconnect();
