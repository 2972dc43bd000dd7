import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { homePaths, type HomePaths } from '#config/home.js';
import {
  BEGINNING,
  changeEvent,
  EventLog,
  EVENTS_STREAM,
  parseEventId,
  type TaskEvent,
} from '#queue/events.js';
import { startPrivateRedis, type PrivateRedis } from '#queue/private-redis.js';
import { connectRedis } from '#queue/redis.js';

const signal = new AbortController().signal;
const at = new Date(0).toISOString();

let home: HomePaths;
let server: PrivateRedis;
let redis: Redis;
let log: EventLog;
let errors: string[];

beforeEach(async () => {
  home = homePaths(await mkdtemp(join(tmpdir(), 'malkoha-events-')));
  server = await startPrivateRedis(home.redis, signal);
  redis = connectRedis(server.connection, () => {});
  await redis.ping();
  errors = [];
  log = new EventLog(redis, (error) => errors.push(error.message));
});

afterEach(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
  await rm(home.dir, { recursive: true });
});

const phase = (task: number, name: string): TaskEvent => ({ kind: 'phase', task, phase: name, ms: 1, at });
const names = (events: readonly { readonly event: TaskEvent }[]) =>
  events.map(({ event }) => (event.kind === 'phase' ? event.phase : event.kind));

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5);
}

async function restartRedis(): Promise<void> {
  const gone = once(redis, 'close');
  await server[Symbol.asyncDispose]();
  await gone;
  server = await startPrivateRedis(home.redis, signal);
}

test('an event is in the log of all tasks and in that of its own, under one id', async () => {
  await log.publish(phase(1, 'a'));
  await log.publish(phase(2, 'b'));
  await log.publish(changeEvent(1, 'deleted'));
  const all = await log.read(null, BEGINNING);
  expect(names(all)).toEqual(['a', 'b', 'deleted']);
  expect(await log.read(1, BEGINNING)).toEqual([all[0], all[2]]);
  expect(names(await log.read(null, all[1]?.id ?? ''))).toEqual(['deleted']);
  expect(await redis.ttl(`${EVENTS_STREAM}:1`)).toBeGreaterThan(0);
  expect(all.map(({ id }) => parseEventId(id))).toEqual(all.map(({ id }) => id));
});

test('who listens hears the last event, then each once, also those of a Redis that went away and came back', async () => {
  await log.publish(phase(1, 'old'));
  await log.publish(phase(1, 'last'));
  const heard: string[] = [];
  await using _tail = log.tail((logged) => heard.push(...names([logged])));
  await until(() => heard.length === 1);
  await log.publish(phase(1, 'a'));
  await until(() => heard.length === 2);
  await restartRedis();
  // In order, whether they are sent before or after the connection is there again.
  await Promise.all(['b', 'c', 'd'].map((name) => log.publish(phase(1, name))));
  await until(() => heard.length >= 5);
  expect(heard).toEqual(['last', 'a', 'b', 'c', 'd']);
  expect(names(await log.read(1, BEGINNING))).toEqual(['old', ...heard]);
});

test('a command that is sent again when its answer was lost adds its event once', async () => {
  const first = phase(1, 'a');
  for (const event of [first, phase(1, 'b'), first]) await log.publish(event);
  expect(names(await log.read(null, BEGINNING))).toEqual(['a', 'b']);
});

test('what is not an event of ours is passed over', async () => {
  const heard: string[] = [];
  await using _tail = log.tail((logged) => heard.push(...names([logged])));
  for (const text of ['not JSON', '{"kind":"status","task":"1"}', 'null'])
    await redis.xadd(EVENTS_STREAM, '*', 'event', text);
  await redis.xadd(EVENTS_STREAM, '*', 'other', 'x');
  await log.publish(phase(1, 'a'));
  await until(() => heard.length > 0);
  expect(heard).toEqual(['a']);
});

test('a reader is told whether everything since its last event is still there', async () => {
  expect(await log.place(null)).toEqual({ last: BEGINNING, whole: true });
  expect(await log.place(7, '5-0')).toEqual({ last: BEGINNING, whole: false });
  for (const name of ['a', 'b', 'c']) await log.publish(phase(1, name));
  const [a, b, c] = (await log.read(null, BEGINNING)).map(({ id }) => id);
  expect(await log.place(null, BEGINNING)).toEqual({ last: c, whole: true });
  expect(await log.place(1, a)).toEqual({ last: c, whole: true });
  await redis.xtrim(EVENTS_STREAM, 'MAXLEN', 1);
  expect(await log.place(null, a)).toEqual({ last: c, whole: false });
  expect(await log.place(null, c)).toEqual({ last: c, whole: true });
  expect(await log.place(1, b)).toEqual({ last: c, whole: true });
  expect(await log.place(null, '999999999999999-0')).toMatchObject({ whole: false });
});

test('the log is bounded', async () => {
  const pipeline = redis.pipeline();
  for (let n = 0; n < 60_000; n += 1) pipeline.xadd(EVENTS_STREAM, '*', 'event', '');
  await pipeline.exec();
  await log.publish(phase(1, 'a'));
  expect(await redis.xlen(EVENTS_STREAM)).toBeLessThan(51_000);
  for (let n = 0; n < 1000; n += 1) void log.publish(phase(2, `${n}`));
  await log.publish(phase(2, 'last'));
  expect(await redis.xlen(`${EVENTS_STREAM}:2`)).toBeLessThan(400);
});

test('with Redis away reading is refused, and what is published waits for it', async () => {
  await server[Symbol.asyncDispose]();
  await until(() => redis.status !== 'ready');
  await expect(log.read(null, BEGINNING)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await expect(log.place(null)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  const published = log.publish(phase(1, 'a'));
  server = await startPrivateRedis(home.redis, signal);
  await published;
  expect(names(await log.read(null, BEGINNING))).toEqual(['a']);
  expect(errors).toEqual([]);
});
