import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DataSource } from 'typeorm';
import { homePaths } from '#config/home.js';
import type { Submission } from '#domain/task.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import { Queues } from '#queue/queues.js';
import { connectRedis } from '#queue/redis.js';
import { openDatabase } from '#storage/database.js';
import { TaskRow } from '#storage/entities/task.entity.js';
import { insertTask } from '#storage/insert-task.js';
import { Tasks } from '#storage/tasks.js';
import { startPostgres } from '../test/support/postgres.js';

export interface WorkerLoad {
  readonly database: 'sqlite' | 'postgresql';
  readonly machines: number;
  readonly tasks: number;
  /** Milliseconds a sample seems to run. */
  readonly runMs: number;
}

const MAIN = fileURLToPath(new URL('../apps/worker/main.js', import.meta.url));
const SUBMISSION: Submission = {
  ...{
    category: 'url',
    target: 'http://example.test/',
    package: null,
    timeout: 60,
    priority: 1,
    custom: null,
  },
  ...{ owner: null, machine: null, platform: null, arch: null, tags: [], options: null, memory: false },
  ...{ enforceTimeout: false, clock: null, submitter: null },
};

/**
 * One worker process with fake machines and a full queue: how many analyses it begins a second, and how much of the time
 * its machines run samples. Reports are not written: they are made elsewhere.
 */
export async function benchWorker({ database, machines, tasks, runMs }: WorkerLoad) {
  const home = homePaths(await mkdtemp(join(tmpdir(), 'bench-worker-')));
  await mkdir(home.conf, { recursive: true });
  const postgres = database === 'postgresql' ? await startPostgres(['fsync=on']) : null;
  const connection = postgres ? await postgres.database() : `sqlite://${home.database}`;
  const server = await startPrivateRedis(home.redis, new AbortController().signal);
  const redis = connectRedis(server.connection, () => {});
  await redis.ping();
  const db = await openDatabase(connection);
  try {
    await writeFile(
      join(home.conf, 'cuckoo.conf'),
      '[cuckoo]\nmachinery = fake\nprocess_results = no\nfreespace = 0\n' +
        `[database]\nconnection = ${connection.replaceAll('%', '%%')}\n[scheduler]\nmin_memory = 0\n`,
    );
    await writeFile(join(home.conf, 'fake.conf'), `[fake]\nmachines = ${machines}\nrun_ms = ${runMs}\n`);
    await fill(db, redis, tasks);
    const worker = fork(MAIN, ['--home', home.dir], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // For a profile: --cpu-prof --cpu-prof-dir=/tmp/x
      execArgv: process.env['BENCH_WORKER_ARGS']?.split(' ') ?? [],
    });
    const exited = once(worker, 'exit');
    try {
      await allDone(new Tasks(db), tasks, worker.exitCode);
      const cpu = await cpuMs(worker.pid ?? 0);
      return {
        ...{ database, machines, run_ms: runMs, ...(await rates(db, machines, runMs)) },
        cpu_ms_per_task: Math.round((10 * cpu) / tasks) / 10,
      };
    } finally {
      worker.kill('SIGTERM');
      await exited;
    }
  } finally {
    redis.disconnect();
    await db.destroy();
    await server[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await rm(home.dir, { recursive: true, force: true });
  }
}

/** Of the worker and its threads since it began, its start-up included (proc(5), fields 14 and 15, 10 ms each). */
async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

async function fill(db: DataSource, redis: ReturnType<typeof connectRedis>, count: number): Promise<void> {
  await using queues = new Queues(redis, () => {});
  const ids: number[] = [];
  await db.transaction(async (inside) => {
    for (let n = 0; n < count; n += 1) ids.push(await insertTask(inside, SUBMISSION, { sampleId: null }));
  });
  for (const id of ids) await queues.enqueueAnalysis({ ...SUBMISSION, id, addedOn: new Date() });
}

async function allDone(tasks: Tasks, count: number, exitCode: number | null): Promise<void> {
  for (;;) {
    const counts = await tasks.counts();
    if (counts.completed === count) return;
    if (counts.failed_analysis > 0) throw new Error(`${counts.failed_analysis} tasks failed`);
    if (exitCode !== null) throw new Error(`the worker ended with ${exitCode}`);
    await sleep(100);
  }
}

/** Between the first start and the last: what begins and ends a queue is not its steady state. */
async function rates(db: DataSource, machines: number, runMs: number) {
  const rows = await db.manager.find(TaskRow, { select: { id: true, startedOn: true } });
  const starts = rows.map(({ startedOn }) => startedOn?.getTime() ?? 0).sort((a, b) => a - b);
  // The first machines begin together, whatever the scheduler can do.
  const steady = starts.slice(machines);
  const seconds = ((steady.at(-1) ?? 0) - (steady[0] ?? 0)) / 1000;
  const perSecond = (steady.length - 1) / seconds;
  return {
    tasks: starts.length,
    starts_per_s: Math.round(perSecond * 10) / 10,
    ...(runMs > 0 && { utilisation: Math.round(((perSecond * runMs) / 1000 / machines) * 1000) / 1000 }),
  };
}
