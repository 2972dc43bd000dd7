import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { homePaths, type HomePaths } from '#config/home.js';
import { startPrivateRedis, type PrivateRedis } from '#queue/private-redis.js';
import { connectRedis } from '#queue/redis.js';
import { parseOpenMetrics } from '../support/openmetrics.js';
import { ENDED, partsOf, readSnapshots, SNAPSHOTS } from '../../apps/metrics/snapshots.js';
import { expose } from '../../apps/metrics/sum.js';
import { WorkerMetrics } from '../../apps/metrics/worker-metrics.js';

let home: HomePaths;
let server: PrivateRedis;
let redis: Redis;

const worker = (name: string, process = 1) => new WorkerMetrics({ id: `${name}/host/${process}/7`, name });

/** Value of each series, by its name and, in order, the values of its labels. */
async function shown(): Promise<Readonly<Record<string, number>>> {
  const families = parseOpenMetrics(await expose(partsOf(await readSnapshots(redis)), 'openmetrics'));
  const samples = [...families.values()].flatMap((family) => family.samples);
  return Object.fromEntries(
    samples.map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
  );
}

/** As if the worker had said nothing since 1970. */
async function silence(name: string, process = 1): Promise<void> {
  const id = `${name}/host/${process}/7`;
  const raw = (await redis.hget(SNAPSHOTS, id)) ?? '';
  await redis.hset(SNAPSHOTS, id, raw.replace(/^\d+/, '1'));
}

const workersIn = (series: Readonly<Record<string, number>>) =>
  Object.keys(series).flatMap((key) => /^malkoha_resident_memory_bytes worker (.*)$/.exec(key)?.[1] ?? []);

describe('snapshots of workers', () => {
  beforeAll(async () => {
    home = homePaths(await mkdtemp(join(tmpdir(), 'malkoha-metrics-')));
    server = await startPrivateRedis(home.redis, new AbortController().signal);
    redis = connectRedis(server.connection, () => {});
    await redis.ping();
  });
  afterAll(async () => {
    redis.disconnect();
    await server[Symbol.asyncDispose]();
    await rm(home.dir, { recursive: true });
  });
  beforeEach(async () => {
    await redis.flushall();
  });

  test('what two workers count is added up; what each is like stays apart', async () => {
    using a = worker('a');
    using b = worker('b');
    a.started();
    a.phase('start', 62);
    a.phase('start', 2000);
    b.phase('start', 70);
    b.phase('run', 3_000_000);
    a.outcome('completed');
    b.outcome('completed');
    b.outcome('vm_start_failed');
    a.resultBytes(1000);
    b.resultBytes(24);
    b.dispatched(1500);
    b.reconciled({ enqueued: [1, 2], takenBack: [3], failed: [] });
    await a.push(redis);
    await b.push(redis);
    const series = await shown();
    expect(series).toMatchObject({
      malkoha_runs_started_total: 1,
      'malkoha_outcomes_total completed': 2,
      'malkoha_outcomes_total vm_start_failed': 1,
      malkoha_result_server_bytes_total: 1024,
      'malkoha_phase_seconds_count start': 3,
      'malkoha_phase_seconds_bucket 0.05 start': 0,
      'malkoha_phase_seconds_bucket 0.1 start': 2,
      'malkoha_phase_seconds_bucket 2.5 start': 3,
      'malkoha_phase_seconds_bucket 3600 run': 1,
      malkoha_dispatch_wait_seconds_sum: 1.5,
      'malkoha_reconciler_repaired_total enqueued': 2,
      'malkoha_reconciler_repaired_total taken_back': 1,
    });
    expect(series['malkoha_phase_seconds_sum start']).toBeCloseTo(2.132);
    expect(workersIn(series).toSorted()).toEqual(['a', 'b']);
  });

  test('a worker that is silent vanishes, but what it counted does not', async () => {
    using a = worker('a');
    using b = worker('b');
    for (const one of [a, b]) one.outcome('completed');
    await a.push(redis);
    await b.push(redis);
    await silence('b');
    for (let reads = 0; reads < 3; reads += 1) {
      const series = await shown();
      expect(workersIn(series)).toEqual(['a']);
      expect(series['malkoha_outcomes_total completed']).toBe(2);
    }
    expect(await redis.hkeys(SNAPSHOTS)).toEqual(['a/host/1/7']);
    // Started again: another process of the same name.
    using again = worker('b', 2);
    again.outcome('completed');
    await again.push(redis);
    expect(await shown()).toMatchObject({ 'malkoha_outcomes_total completed': 3 });
  });

  test('a worker that was only silent for long is counted once, before and after', async () => {
    using a = worker('a');
    a.outcome('completed');
    a.phase('start', 62);
    await a.push(redis);
    for (let turn = 0; turn < 2; turn += 1) {
      await silence('a');
      expect(await shown()).toMatchObject({ 'malkoha_outcomes_total completed': 1 + turn });
      a.outcome('completed');
      await a.push(redis);
      const series = await shown();
      expect(series).toMatchObject({
        'malkoha_outcomes_total completed': 2 + turn,
        'malkoha_phase_seconds_count start': 1,
      });
      expect(workersIn(series)).toEqual(['a']);
    }
  });

  test('a worker that ends is gone at once', async () => {
    using a = worker('a');
    a.outcome('completed');
    const published = a.publish(redis, (error) => {
      throw error;
    });
    a.outcome('timed_out');
    await published[Symbol.asyncDispose]();
    const series = await shown();
    expect(series).toMatchObject({
      'malkoha_outcomes_total completed': 1,
      'malkoha_outcomes_total timed_out': 1,
    });
    expect(workersIn(series)).toEqual([]);
    expect(await redis.hlen(SNAPSHOTS)).toBe(0);
  });

  test('several readers move what has ended once', async () => {
    const all = [1, 2, 3, 4, 5].map((process) => worker('a', process));
    for (const one of all) {
      one.outcome('completed');
      await one.push(redis);
      one[Symbol.dispose]();
    }
    for (const { length } of all.map((_, at) => all.slice(at))) await silence('a', length);
    const seen = await Promise.all([shown(), shown(), shown()]);
    expect(seen.map((series) => series['malkoha_outcomes_total completed'])).toEqual([5, 5, 5]);
    expect((await shown())['malkoha_outcomes_total completed']).toBe(5);
  });

  test('of a name that two processes have, the later one is shown', async () => {
    using old = worker('a', 1);
    using young = worker('a', 2);
    for (const one of [old, young]) one.outcome('completed');
    await old.push(redis);
    await young.push(redis);
    const series = await shown();
    expect(workersIn(series)).toEqual(['a']);
    expect(series['malkoha_outcomes_total completed']).toBe(2);
  });

  test('what is no snapshot of this version is passed over, and taken away', async () => {
    await redis.hset(SNAPSHOTS, { x: 'nonsense', y: '1 {"format":0,"metrics":[]}', z: '' });
    await redis.set(ENDED, 'nonsense');
    using a = worker('a');
    a.started();
    await a.push(redis);
    expect(await shown()).toMatchObject({ malkoha_runs_started_total: 1 });
    expect(await redis.hlen(SNAPSHOTS)).toBe(1);
  });

  test('the last sign of the reconciler is told with the age of the snapshot', async () => {
    using a = worker('a');
    await a.push(redis);
    expect((await readSnapshots(redis)).alive).toMatchObject([{ reconciledAgo: null, name: 'a' }]);
    a.reconciled({ enqueued: [], takenBack: [], failed: [] });
    await a.push(redis);
    const [snapshot] = (await readSnapshots(redis)).alive;
    expect(snapshot?.reconciledAgo).toBeGreaterThanOrEqual(0);
  });
});
