import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { homePaths } from '#config/home.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import { connectRedis } from '#queue/redis.js';
import { Cleanup } from '../../apps/cleanup.js';

export interface TestRedis extends AsyncDisposable {
  readonly redis: Redis;
  /** One more connection, as of another process. */
  connect(): Promise<Redis>;
}

/** A Redis of our own in a temporary folder; its connections end with it. */
export async function startRedis(): Promise<TestRedis> {
  await using cleanup = new Cleanup();
  const home = homePaths(await mkdtemp(join(tmpdir(), 'redis-')));
  cleanup.defer(() => rm(home.dir, { recursive: true }));
  const server = cleanup.use(await startPrivateRedis(home.redis, new AbortController().signal));
  const connections: Redis[] = [];
  cleanup.defer(() => connections.forEach((connection) => connection.disconnect()));
  const connect = async (): Promise<Redis> => {
    const redis = connectRedis(server.connection, () => {});
    connections.push(redis);
    await redis.ping();
    return redis;
  };
  const redis = await connect();
  const owned = cleanup.move();
  return { redis, connect, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
