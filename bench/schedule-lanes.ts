import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { homePaths } from '#config/home.js';
import { Lanes, type QueuedTask } from '#queue/lane-queue.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import { connectRedis } from '#queue/redis.js';
import { percentile } from './support.js';

/** Hosts that take at the same time. */
const TAKERS = 4;
/** Dispatches that are timed at each length. */
const TIMED = 5_000;
/** Submitters, priorities and kinds of machines that the tasks are spread over. */
const OWNERS = 20;
const PRIORITIES = 3;
const TAGS = [[], ['x64'], ['office'], ['office', 'x64']] as const;

export function task(id: number): QueuedTask {
  return {
    id,
    priority: 1 + (id % PRIORITIES),
    addedOn: new Date(),
    submitter: null,
    owner: `owner${id % OWNERS}`,
    machine: null,
    platform: null,
    arch: null,
    tags: TAGS[id % TAGS.length] ?? [],
  };
}

/** Dispatch at several lengths of the queue, memory of what waits, and the same of BullMQ, on one private Redis. */
export async function benchLanes(lengths: readonly number[]) {
  const home = homePaths(await mkdtemp(join(tmpdir(), 'bench-lanes-')));
  const server = await startPrivateRedis(home.redis, new AbortController().signal);
  const redis = connectRedis(server.connection, () => {});
  try {
    const dispatch = [];
    for (const length of lengths) dispatch.push(await dispatchAt(redis, length));
    await redis.flushall();
    return { dispatch, memory: await memory(redis), bullmq: await bareBullMq(redis) };
  } finally {
    redis.disconnect();
    await server[Symbol.asyncDispose]();
    await rm(home.dir, { recursive: true, force: true });
  }
}

/** Keeps the queue at its length: each task that is taken is followed by a new one. */
async function dispatchAt(redis: Redis, length: number) {
  await redis.flushall();
  const lanes = new Lanes(redis, { ageing: 600, weights: new Map() });
  let next = 0;
  await addMany(lanes, length, () => (next += 1));
  const takes: number[] = [];
  const began = performance.now();
  await Promise.all(
    Array.from({ length: TAKERS }, async () => {
      while (takes.length < TIMED) {
        const from = performance.now();
        await lanes.take(() => true);
        takes.push(performance.now() - from);
        await lanes.add(task((next += 1)));
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  return {
    waiting: length,
    take_p50_ms: percentile(takes, 50, 3),
    take_p99_ms: percentile(takes, 99, 3),
    takes_per_s: Math.round(takes.length / seconds),
  };
}

async function addMany(lanes: Lanes, count: number, id: () => number): Promise<void> {
  for (let left = count; left > 0; left -= 1_000)
    await Promise.all(Array.from({ length: Math.min(1_000, left) }, () => lanes.add(task(id()))));
}

const PENDING = 100_000;

async function memory(redis: Redis) {
  const lanes = new Lanes(redis, { ageing: 600, weights: new Map() });
  const before = await usedBytes(redis);
  const began = performance.now();
  let next = 0;
  await addMany(lanes, PENDING, () => (next += 1));
  const seconds = (performance.now() - began) / 1000;
  const bytes = (await usedBytes(redis)) - before;
  await redis.flushall();
  return { pending: PENDING, mib: mib(bytes), adds_per_s: Math.round(PENDING / seconds) };
}

/** The limit: jobs that carry an id, and a worker that does nothing with them. */
async function bareBullMq(redis: Redis) {
  const queue = new Queue('bare', { connection: redis });
  const before = await usedBytes(redis);
  const began = performance.now();
  for (let at = 0; at < PENDING; at += 1_000) {
    await queue.addBulk(
      Array.from({ length: 1_000 }, (_, n) => ({
        name: 'task',
        data: { taskId: at + n },
        opts: { jobId: `task-${at + n}`, priority: 1 + (n % PRIORITIES), removeOnComplete: true },
      })),
    );
  }
  const adding = (performance.now() - began) / 1000;
  const bytes = (await usedBytes(redis)) - before;
  let done = 0;
  const from = performance.now();
  const worker = new Worker('bare', async () => void (done += 1), { connection: redis, concurrency: 64 });
  while (done < 10_000) await new Promise((resolve) => setTimeout(resolve, 20));
  const jobs = done / ((performance.now() - from) / 1000);
  await worker.close();
  await queue.close();
  return {
    pending: PENDING,
    mib: mib(bytes),
    adds_per_s: Math.round(PENDING / adding),
    jobs_per_s: Math.round(jobs),
  };
}

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
}

function mib(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 10) / 10;
}
