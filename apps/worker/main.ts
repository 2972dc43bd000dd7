import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { homePaths, withArtifacts } from '#config/home.js';
import type { CuckooSettings } from '#config/cuckoo-settings.js';
import { loadSettings } from '#config/settings.js';
import { reason, SandboxError } from '#domain/errors.js';
import { changeEvent, EventLog } from '#queue/events.js';
import { HEARTBEAT_MS } from '#queue/liveness.js';
import { MachineNotes } from '#queue/machine-notes.js';
import { Bells, receive, type Letter } from '#queue/mail.js';
import { Queues } from '#queue/queues.js';
import { connectRedis, queueConnection } from '#queue/redis.js';
import { workerId, workerIsGone } from '#queue/worker-id.js';
import { openConfigured } from '#storage/database.js';
import { Machines } from '#storage/machines.js';
import { Tasks } from '#storage/tasks.js';
import { Workers } from '#storage/workers.js';
import { aborted } from '../aborted.js';
import { Cleanup } from '../cleanup.js';
import { confVariables } from '../conf-variables.js';
import { runMain, shutdownSignal, tell } from '../ipc.js';
import { openArtifacts } from '../open-artifacts.js';
import { createLog } from '../log.js';
import { WorkerMetrics } from '../metrics/worker-metrics.js';
import { Admission, thisHost, type AdmissionLimits } from './admission.js';
import type { Analyst } from './analyst.js';
import { Dispatcher } from './dispatcher.js';
import { consumeProcessing } from './examine-queue.js';
import { MachineStates } from './machine-states.js';
import { testMachine } from './machine-test.js';
import { openLab } from './open-lab.js';
import { Presence } from './presence.js';
import { registerWorker } from './register.js';
import { Repair } from './repair.js';

/** Milliseconds between two looks for what a crash left. */
const REPAIR_MS = 10_000;
/** Milliseconds between two looks for runs on this host that nobody published or took away. */
const SWEEP_MS = 60_000;
/** Milliseconds for what was begun to be written. */
const LAST_WAIT_MS = 500;
/** Milliseconds that another worker of the name may take to end, and between two looks. */
const OTHER_ENDS_MS = 20_000;
const OTHER_ENDS_LOOK_MS = 100;
const OPTIONS = {
  home: { type: 'string' },
  name: { type: 'string' },
  queue: { type: 'string' },
  database: { type: 'string' },
  machinery: { type: 'string' },
  machines: { type: 'string' },
  'prepare-only': { type: 'boolean' },
} as const;

await runMain(async () => {
  const shutdown = shutdownSignal();
  const { values } = parseArgs({ options: OPTIONS });
  const name = values.name ?? hostname();
  const log = createLog('worker', { fields: { worker: name, host: hostname() } });
  if (values.home === undefined) throw new SandboxError('USAGE', 'worker: --home DIR is needed');
  const { settings } = await loadSettings(homePaths(values.home).conf, confVariables(values.home));
  const { cuckoo } = settings;
  const home = withArtifacts(homePaths(values.home), cuckoo.artifacts.location);
  await using cleanup = new Cleanup((error) => log('error', `while ending: ${reason(error)}`));

  const worker = workerId(name);
  await mkdir(home.storage, { recursive: true, mode: 0o700 });
  const database = { ...cuckoo.database, ...(values.database && { connection: values.database }) };
  const db = await openConfigured(database, home.database);
  cleanup.defer(() => db.destroy());
  const machines = new Machines(db);
  const workers = new Workers(db);
  await mustBeAlone(name, workers, shutdown);
  cleanup.defer(async () => {
    await machines.abandon(worker, 'its worker has ended');
    await workers.remove([worker]);
  });
  const states = cleanup.use(new MachineStates(machines, log));
  const lab = cleanup.use(
    await openLab(
      {
        home,
        settings,
        machinery: values.machinery,
        machines: values.machines === undefined ? undefined : Number(values.machines),
        ...(values.name && { namePrefix: `${name}-`, runDir: join(home.run, name) }),
        log,
        onProgress: (line, lasting) => tell({ kind: 'progress', line, lasting }),
      },
      shutdown,
    ),
  );
  if (values['prepare-only'] === true) return;

  const onQueueError = (error: unknown): void =>
    log('warn', `queue: ${reason(error)}`, { code: 'QUEUE_UNAVAILABLE' });
  const connection = queueConnection(values.queue ?? cuckoo.queue.connection, home.redis.socket);
  const redis = connectRedis(connection, onQueueError);
  cleanup.defer(() => redis.disconnect());
  const metrics = new WorkerMetrics({ id: worker, name });
  cleanup.defer(() => metrics[Symbol.dispose]());
  cleanup.use(metrics.publish(redis, onQueueError));
  const queues = cleanup.use(new Queues(redis, onQueueError, cuckoo.scheduler));
  const events = new EventLog(redis, (error) => log('debug', error.message));
  const tasks = new Tasks(db, (task, status) => void events.publish(changeEvent(task, status)));
  const artifacts = cleanup.use(openArtifacts(cuckoo.artifacts, home, db));
  const analyst: Analyst = {
    ...{ worker, home, tasks, artifacts, lab, log },
    settings: cuckoo,
    onEnd: (outcome) => metrics.outcome(outcome),
    onPhase: (task, phase, ms, machine) => {
      metrics.phase(phase, ms);
      const on = machine === undefined ? {} : { machine };
      log('info', `phase ${phase}`, { task, stage: phase, ms, ...on });
      void events.publish({ task, kind: 'phase', phase, ms, at: new Date().toISOString(), ...on });
    },
  };

  const { processing, reporting } = settings;
  if (cuckoo.cuckoo.process_results)
    cleanup.use(consumeProcessing({ ...analyst, examination: { processing, reporting } }, queues, shutdown));
  const dispatcher = cleanup.use(
    new Dispatcher({
      ...{ analyst, queues, shutdown },
      machines: lab.pool,
      bells: new Bells(redis, worker, onQueueError),
      onDispatch: (waitedMs) => {
        metrics.started();
        metrics.dispatched(waitedMs);
      },
      admission: new Admission(admissionLimits(cuckoo), thisHost(home.storage)),
    }),
  );
  lab.onResultBytes = (bytes) => metrics.resultBytes(bytes);
  const notes = new MachineNotes(redis);
  lab.onMachine = (machine, change) => {
    states.changed(machine, change);
    if (change.reason != null) void notes.failed(machine, change.reason).catch(onQueueError);
    dispatcher.wake();
  };
  const register = async (): Promise<void> => {
    const own = lab.pool.states().map(({ machine, manager }) => ({ ...machine, manager }));
    const tellWait = (line: string): void => {
      log('warn', line, { stage: 'register' });
      tell({ kind: 'progress', line, lasting: true });
    };
    await registerWorker({ id: worker, name, machines: own }, { machines, workers }, tellWait, shutdown);
    lab.tellAll();
  };
  await register();
  lab.pool.begin(); // not before: the machines of a worker that is refused are another's

  const presence = new Presence({
    ...{ worker, workers, tasks, machines, dispatcher, register, log },
    pool: lab.pool,
  });
  const repair = new Repair({
    ...{ worker, tasks, machines, workers, queues, log },
    settings: { ...cuckoo.cuckoo, patience: cuckoo.scheduler.patience },
    onRepaired: (repaired) => metrics.reconciled(repaired),
  });
  const onLetter = (letter: Letter): void => {
    if (letter.kind === 'tasks' || letter.kind === 'machines') void presence.look();
    if (letter.kind === 'test') void testMachine(letter, { lab, notes, shutdown, log });
    if (letter.kind === 'lanes') {
      dispatcher.wake();
      void repair.look(shutdown);
    }
  };
  cleanup.use(receive(redis, worker, onLetter, onQueueError));
  const every = (ms: number, work: () => Promise<void>): void => {
    const timer = setInterval(() => void work(), ms); // neither rejects
    cleanup.defer(() => clearInterval(timer));
  };
  every(HEARTBEAT_MS, () => presence.look());
  every(REPAIR_MS, () => repair.look(shutdown));
  const sweep = (): Promise<void> =>
    artifacts.sweep(shutdown).catch((error: unknown) => log('warn', `not swept: ${reason(error)}`));
  every(SWEEP_MS, sweep);
  if (redis.status !== 'ready') await once(redis, 'ready', { signal: shutdown });
  await repair.look(shutdown);
  await presence.look(); // no machine that an operator has taken out gets a task
  dispatcher.begin();
  void sweep();

  tell({ kind: 'ready' });
  log('info', `ready with ${lab.machines.length} machines`);
  await Promise.race([aborted(shutdown), dispatcher.drained]);
  log('info', shutdown.aborted ? `ending: ${reason(shutdown.reason)}` : 'ending: drained');
  if (!shutdown.aborted) tell({ kind: 'drained' });
});
if (process.connected) process.disconnect();
// All is given back: what a library still waits for, of a Redis that is gone, must not keep the process.
setTimeout(() => process.exit(), LAST_WAIT_MS).unref();

/**
 * Two processes would end each other's machines: they keep them in the same places. One whose supervisor was killed is
 * about to end.
 *
 * @throws ALREADY_RUNNING when it does not
 */
async function mustBeAlone(name: string, workers: Workers, signal: AbortSignal): Promise<void> {
  const until = performance.now() + OTHER_ENDS_MS;
  for (;;) {
    const other = (await workers.list()).find(
      (row) => row.name === name && row.host === hostname() && !workerIsGone(row.id),
    );
    if (other === undefined) return;
    const pid = other.id.split('/')[1] ?? '?';
    if (performance.now() > until) {
      throw new SandboxError(
        'ALREADY_RUNNING',
        `a worker named ${name} runs on this host already (process ${pid}); give this one another --name and --home`,
      );
    }
    tell({
      kind: 'progress',
      line: `waiting for the worker before this one to end (process ${pid})`,
      lasting: false,
    });
    await sleep(OTHER_ENDS_LOOK_MS, undefined, { signal });
  }
}

function admissionLimits({ cuckoo, scheduler }: CuckooSettings): AdmissionLimits {
  return {
    freespace: cuckoo.freespace,
    minMemory: scheduler.min_memory,
    maxLoad: scheduler.max_load,
    maxMachines: cuckoo.max_machines_count,
  };
}
