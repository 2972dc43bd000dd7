import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { DataSource, Logger } from 'typeorm';
import { homePaths } from '#config/home.js';
import type { Submission } from '#domain/task.js';
import { changeEvent, EventLog } from '#queue/events.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import { openWorker, PROCESSING_QUEUE, Queues } from '#queue/queues.js';
import { connectRedis } from '#queue/redis.js';
import { openDatabase } from '#storage/database.js';
import { Tasks } from '#storage/tasks.js';
import { Workers } from '#storage/workers.js';
import { startPostgres } from '../test/support/postgres.js';

/** What one task costs the two services that all hosts share, and a host that only gives signs of life. */
export interface Costs {
  readonly redis_commands_per_task: number;
  /** Of the one thread that carries out Redis's commands. */
  readonly redis_cpu_us_per_task: number;
  readonly sql_statements_per_task: number;
  /** Of all PostgreSQL's processes together. */
  readonly sql_cpu_us_per_task: number;
  readonly sql_statements_per_heartbeat: number;
  readonly sql_cpu_us_per_heartbeat: number;
}

const TASKS = 2_000;
const AT_ONCE = 8;
const HEARTBEATS = 2_000;
/** Phases of a run that are told as events. */
const PHASES = 9;
/** Clock ticks a second in /proc/<pid>/stat (proc(5)); 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** Measured: everything the processes of a lab ask of Redis and PostgreSQL for a task, without machines and reports. */
export async function measureCosts(): Promise<Costs> {
  const home = homePaths(await mkdtemp(join(tmpdir(), 'bench-simulate-')));
  await using postgres = await startPostgres(['fsync=on', 'max_connections=50']);
  const server = await startPrivateRedis(home.redis, new AbortController().signal);
  const redis = connectRedis(server.connection, () => {});
  const db = await openDatabase(await postgres.database());
  try {
    const statements = countStatements(db);
    const meter = async () => ({
      statements: statements(),
      sql: await cpuOfTree(postgres.pid),
      redis: await redisCpu(redis),
      commands: await redisCommands(redis),
    });
    await using queues = new Queues(redis, () => {});
    const events = new EventLog(redis, () => {});
    const tasks = new Tasks(db, (task, status) => void events.publish(changeEvent(task, status)));
    await flow({ tasks, queues, events }, 200); // warm: prepared statements, scripts, pools
    const before = await meter();
    await flow({ tasks, queues, events }, TASKS);
    const after = await meter();

    const workers = new Workers(db);
    await workers.register({ id: 'host/1/1', name: 'host', host: 'host', version: '0' });
    const atRest = await meter();
    for (let n = 0; n < HEARTBEATS; n += 1) {
      await workers.beat('host/1/1', null);
      await tasks.runs.of('host/1/1');
    }
    const beaten = await meter();
    return {
      redis_commands_per_task: round((after.commands - before.commands) / TASKS),
      redis_cpu_us_per_task: round((after.redis - before.redis) / TASKS),
      sql_statements_per_task: round((after.statements - before.statements) / TASKS),
      sql_cpu_us_per_task: round((after.sql - before.sql) / TASKS),
      sql_statements_per_heartbeat: round((beaten.statements - atRest.statements) / HEARTBEATS),
      sql_cpu_us_per_heartbeat: round((beaten.sql - atRest.sql) / HEARTBEATS),
    };
  } finally {
    redis.disconnect();
    await db.destroy();
    await server[Symbol.asyncDispose]();
    await rm(home.dir, { recursive: true, force: true });
  }
}

interface Lab {
  readonly tasks: Tasks;
  readonly queues: Queues;
  readonly events: EventLog;
}

/** submit → lane → claim → end → processing queue → reported, of so many tasks. */
async function flow({ tasks, queues, events }: Lab, count: number): Promise<void> {
  let submitted = 0;
  let reported = 0;
  const worker = openWorker(PROCESSING_QUEUE, queues.redis, async ({ data: { taskId } }) => {
    await tasks.status(taskId);
    await tasks.move(taskId, 'completed', 'reported');
    reported += 1;
  });
  worker.concurrency = AT_ONCE;
  const one = async (): Promise<void> => {
    const { id } = await tasks.create(SUBMISSION, null);
    await queues.enqueueAnalysis({ ...SUBMISSION, id, addedOn: new Date() });
    const taken = await queues.lanes.take(() => true);
    if (taken === null) throw new Error('a lane lost a task');
    const claim = await tasks.runs.claim(taken.id, 'host/1/1', MACHINE);
    if (claim === null) throw new Error('a task was claimed twice');
    const at = new Date().toISOString();
    for (let n = 0; n < PHASES; n += 1)
      await events.publish({ kind: 'phase', task: taken.id, at, phase: `phase${n}`, ms: 1, machine: 'm' });
    await tasks.runs.end(taken.id, claim.epoch, { to: 'completed', outcome: 'completed', route: 'drop' });
    await queues.enqueueProcessing(claim.task);
  };
  const lane = async (): Promise<void> => {
    while ((submitted += 1) <= count) await one();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  while (reported < count) await new Promise((resolve) => setTimeout(resolve, 5));
  await worker.close();
}

const MACHINE = { name: 'm', label: 'm', manager: 'fake' } as const;
const SUBMISSION: Submission = {
  ...{
    category: 'url',
    target: 'http://example.test/',
    package: null,
    timeout: 0,
    priority: 1,
    custom: null,
  },
  ...{ owner: null, machine: null, platform: null, arch: null, tags: [], options: null, memory: false },
  ...{ enforceTimeout: false, clock: null, submitter: null },
};

function countStatements(db: DataSource): () => number {
  let count = 0;
  const logger: Logger = {
    logQuery: () => void (count += 1),
    logQueryError: () => {},
    logQuerySlow: () => {},
    logSchemaBuild: () => {},
    logMigration: () => {},
    log: () => {},
  };
  db.logger = logger;
  return () => count;
}

async function redisCommands(redis: Redis): Promise<number> {
  return Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1]);
}

/** Microseconds. */
async function redisCpu(redis: Redis): Promise<number> {
  const text = await redis.info('cpu');
  const seconds = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)?.[1]);
  return 1e6 * (seconds('used_cpu_sys_main_thread') + seconds('used_cpu_user_main_thread'));
}

/** Microseconds of a process and its living children. */
async function cpuOfTree(root: number): Promise<number> {
  let sum = 0;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => ''); // it ended meanwhile
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(entry) === root || Number(fields[1]) === root) sum += Number(fields[11]) + Number(fields[12]);
  }
  return sum * TICK_US;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
