import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { homePaths, type HomePaths } from '#config/home.js';
import { startPrivateRedis, type PrivateRedis } from '#queue/private-redis.js';
import { openWorker, PROCESSING_QUEUE, Queues } from '#queue/queues.js';
import { reconcile, type Reconciled, type Repaired } from '#queue/reconcile.js';
import { connectRedis } from '#queue/redis.js';
import { startTime } from '#queue/worker-id.js';
import { openDatabase } from '#storage/database.js';
import { Tasks } from '#storage/tasks.js';
import { Workers } from '#storage/workers.js';
import { aSubmission, ON, queued } from '../support/task.js';

const signal = new AbortController().signal;
const quiet = () => {};
const submission = aSubmission();

let home: HomePaths;
let server: PrivateRedis;
let redis: Redis;

beforeEach(async () => {
  home = homePaths(await mkdtemp(join(tmpdir(), 'malkoha-queue-')));
  server = await startPrivateRedis(home.redis, signal);
  redis = connectRedis(server.connection, quiet);
  await redis.ping();
});

afterEach(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
  await rm(home.dir, { recursive: true });
});

async function withTasks(
  work: (tasks: Tasks, queues: Queues, workers: Workers) => Promise<void>,
): Promise<void> {
  const db = await openDatabase(`sqlite://${home.database}`);
  const queues = new Queues(redis, quiet);
  try {
    await work(new Tasks(db), queues, new Workers(db));
  } finally {
    await queues[Symbol.asyncDispose]();
    await db.destroy();
  }
}

test('the private server has no TCP port, never evicts, and its socket is for us alone', async () => {
  expect(await redis.config('GET', 'port')).toEqual(['port', '0']);
  expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  expect(await redis.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
  expect((await stat(home.redis.socket)).mode & 0o777).toBe(0o600);
});

test('a second server on the same home is refused and names the process', async () => {
  await expect(startPrivateRedis(home.redis, signal)).rejects.toMatchObject({
    code: 'ALREADY_RUNNING',
    message: expect.stringContaining(String(process.pid)),
  });
});

test('what was queued is there after a restart', async () => {
  await using queues = new Queues(redis, quiet);
  await queues.enqueueAnalysis(queued({ id: 5 }));
  redis.disconnect();
  await server[Symbol.asyncDispose]();
  server = await startPrivateRedis(home.redis, signal);
  redis = connectRedis(server.connection, quiet);
  await using again = new Queues(redis, quiet);
  expect(await again.lanes.has([5, 6])).toEqual([true, false]);
  expect((await again.lanes.take(() => true))?.id).toBe(5);
});

test('a server that is killed is told of', async () => {
  process.kill(server.pid, 'SIGKILL');
  await once(server.lost, 'abort');
  expect(server.lost.reason).toMatchObject({
    code: 'QUEUE_UNAVAILABLE',
    message: expect.stringContaining('SIGKILL'),
  });
});

test('the server ends with its owner, even by kill -9', async () => {
  const other = homePaths(await mkdtemp(join(tmpdir(), 'malkoha-orphan-')));
  const places = JSON.stringify(other.redis);
  // A short program that only does what the owner does: spawn with the kernel's promise, then get killed.
  const script = `
    const { spawn } = require('node:child_process');
    const p = ${places};
    require('node:fs').mkdirSync(p.dir, { recursive: true });
    const c = spawn('setpriv', ['--pdeathsig', 'TERM', 'redis-server', '--port', '0', '--unixsocket', p.dir + '/s', '--save', ''], { detached: true });
    console.log(c.pid);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(owner.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  owner.kill('SIGKILL');
  for (let waited = 0; startTime(pid) !== null && waited < 5000; waited += 20) await sleep(20);
  expect(startTime(pid)).toBeNull();
  await rm(other.dir, { recursive: true });
});

test('a server left behind by a dead owner is ended by the next start, and its queue is read', async () => {
  await using queues = new Queues(redis, quiet);
  await queues.enqueueAnalysis(queued({ id: 5 }));
  redis.disconnect();
  const orphan = server.pid;
  const recorded = JSON.parse(await readFile(home.redis.pidFile, 'utf8')) as Record<string, number>;
  await writeFile(home.redis.pidFile, JSON.stringify({ ...recorded, ownerStartTime: 1 }));
  const next = await startPrivateRedis(home.redis, signal);
  expect(startTime(orphan)).toBeNull();
  server = next;
  redis = connectRedis(server.connection, quiet);
  await using again = new Queues(redis, quiet);
  expect(await again.lanes.has([5])).toEqual([true]);
});

test('one processing job per task, the larger priority first, equal ones in order', async () => {
  await using queues = new Queues(redis, quiet);
  const order = [
    { id: 1, priority: 1 },
    { id: 2, priority: 1 },
    { id: 3, priority: 3 },
    { id: 4, priority: -7 },
    { id: 5, priority: 999 },
    { id: 1, priority: 1 },
  ];
  for (const task of order) await queues.enqueueProcessing(task);
  const done: number[] = [];
  const worker = openWorker(PROCESSING_QUEUE, redis, async (job) => void done.push(job.data.taskId));
  worker.on('error', quiet);
  while (done.length < 5) await once(worker, 'completed');
  await worker.close();
  expect(done).toEqual([5, 3, 1, 2, 4]);
});

test('the job of a task whose report is being written is not removed, any other is, and so is a place in a lane', async () => {
  await using queues = new Queues(redis, quiet);
  const release = new AbortController();
  const hold = once(release.signal, 'abort');
  for (const id of [1, 2]) await queues.enqueueProcessing({ id, priority: 1 });
  await queues.enqueueAnalysis(queued({ id: 3 }));
  const worker = openWorker(PROCESSING_QUEUE, redis, async () => {
    await hold;
  });
  worker.on('error', quiet);
  await once(worker, 'active');
  expect(await queues.remove(1)).toBe(false);
  expect(await queues.remove(2)).toBe(true);
  expect(await queues.remove(3)).toBe(true);
  expect(await queues.lanes.has([3])).toEqual([false]);
  expect(await queues.remove(77)).toBe(true);
  release.abort();
  await worker.close();
});

async function repair(tasks: Tasks, queues: Queues): Promise<Repaired> {
  const endLost: Reconciled['endLost'] = ({ id, epoch, avoid = [] }, to, message) => {
    const lost = { outcome: 'worker_lost', errors: [{ action: 'WORKER_LOST', message }] } as const;
    return tasks.runs.end(id, epoch, to === 'pending' ? { to, avoid, ...lost } : { to, ...lost });
  };
  return reconcile(
    { store: tasks, queues, places: { pending: 0, completed: 0 }, endLost, reschedule: true, process: true },
    signal,
  );
}

test('reconcile: rows without a job get one, lost workers lose their tasks, the third time for good', async () => {
  await withTasks(async (tasks, queues, workers) => {
    await workers.register({ id: 'there/1/1', name: 'there', host: 'there', version: '1' });
    const claim = async (id: number, worker: string) => (await tasks.runs.claim(id, worker, ON))?.epoch ?? 0;
    for (let n = 0; n < 5; n += 1) await tasks.create(submission, null);
    await claim(2, 'here/1/1');
    for (let n = 0; n < 3; n += 1) {
      const epoch = await claim(3, 'here/1/1');
      if (n < 2) await tasks.runs.end(3, epoch, { to: 'pending', outcome: 'vm_start_failed', avoid: [] });
    }
    const completed = { to: 'completed', outcome: 'completed', route: 'none' } as const;
    await tasks.runs.end(4, await claim(4, 'there/1/1'), completed);
    await claim(5, 'there/1/1');

    const repaired = await repair(tasks, queues);
    expect(repaired).toEqual({ enqueued: [1, 2, 4], takenBack: [2], failed: [3] });
    expect(await queues.lanes.has([1, 2, 3, 4, 5])).toEqual([true, true, false, false, false]);
    expect(await queues.states(PROCESSING_QUEUE, [4])).toEqual(['present']);
    expect(await tasks.find(3)).toMatchObject({
      task: { status: 'failed_analysis', outcome: 'worker_lost' },
      errors: ['the worker here/1/1 was lost while this task ran (3 times so far)'],
    });
    expect(await tasks.status(5)).toBe('running');
    const second = await repair(tasks, queues);
    expect(second).toEqual({ enqueued: [], takenBack: [], failed: [] });
  });
});

test('reconcile: a processing job that failed for good fails its task with the reason, and can be queued again', async () => {
  await withTasks(async (tasks, queues) => {
    await tasks.create(submission, null);
    const epoch = (await tasks.runs.claim(1, 'w', ON))?.epoch ?? 0;
    await tasks.runs.end(1, epoch, { to: 'completed', outcome: 'completed', route: 'none' });
    await queues.get(PROCESSING_QUEUE).add('task', { taskId: 1 }, { jobId: 'task-1', attempts: 1 });
    const worker = openWorker(PROCESSING_QUEUE, redis, async () => {
      throw new Error('the trace is not one');
    });
    worker.on('error', quiet);
    await once(worker, 'failed');
    await worker.close();

    expect((await repair(tasks, queues)).failed).toEqual([1]);
    expect(await tasks.find(1)).toMatchObject({
      task: { status: 'failed_processing' },
      errors: ['the trace is not one'],
    });
    await tasks.move(1, 'failed_processing', 'completed');
    await queues.enqueueProcessing({ id: 1, priority: 1 });
    expect(await queues.states(PROCESSING_QUEUE, [1])).toEqual(['present']);
  });
});

test('without Redis a producer is told at once, and the queue works again when it is back', async () => {
  await using queues = new Queues(redis, quiet);
  const task = queued({ id: 1 });
  await queues.enqueueAnalysis(task);
  await server[Symbol.asyncDispose]();
  await once(redis, 'close').catch(quiet);
  await expect(queues.enqueueAnalysis(task)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  const back = once(redis, 'ready');
  server = await startPrivateRedis(home.redis, signal);
  await back;
  await queues.enqueueAnalysis({ ...task, id: 2 });
  expect(await queues.lanes.has([1, 2])).toEqual([true, true]);
});
