import { Redis } from 'ioredis';
import { SandboxError } from '#domain/errors.js';
import { redisTarget } from './redis.js';

/** What a Redis says of itself. */
export interface RedisFacts {
  readonly version: string;
  readonly now: Date;
  /** What it does when its memory is full; anything but `noeviction` loses jobs. */
  readonly evicts: string;
  /** Bytes; 0 = no limit. */
  readonly maxMemory: number;
  /** Keeps its data over a restart, by file of commands or by snapshots. */
  readonly persists: boolean;
}

/** Milliseconds of one attempt to connect, and of each command. */
const PATIENCE_MS = 5_000;

/** Asks once and closes, unlike `connectRedis`, which tries for ever. @throws QUEUE_UNAVAILABLE, CONFIG_INVALID */
export async function lookAtRedis(connection: string): Promise<RedisFacts> {
  const redis = new Redis(redisTarget(connection), {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: PATIENCE_MS,
    commandTimeout: PATIENCE_MS,
    disconnectTimeout: 100,
  });
  let last: unknown;
  redis.on('error', (error) => (last = error));
  try {
    await redis.connect();
    const info = await redis.info();
    const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
    const field = (name: string): string => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
    return {
      version: field('redis_version'),
      now: new Date(seconds * 1000 + micros / 1000),
      evicts: field('maxmemory_policy'),
      maxMemory: Number(field('maxmemory')),
      persists: field('aof_enabled') === '1' || Number(field('rdb_last_save_time')) > 0,
    };
  } catch (error) {
    // ioredis says that the connection is closed; why is in the error before.
    throw new SandboxError('QUEUE_UNAVAILABLE', 'Redis does not answer', { cause: last ?? error });
  } finally {
    redis.disconnect();
  }
}
