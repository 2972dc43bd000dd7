import { Redis, type RedisOptions } from 'ioredis';
import { SandboxError } from '#domain/errors.js';

/** Milliseconds between attempts to reach a Redis that is gone: quick at first, then every two seconds. */
const RECONNECT_MS = { step: 50, most: 2000 };

const OPTIONS: RedisOptions = {
  // BullMQ needs it: a blocked worker must outlive any outage.
  maxRetriesPerRequest: null,
  // Milliseconds a closing socket is given; the default of two seconds would be part of every shutdown.
  disconnectTimeout: 100,
  retryStrategy: (times) => Math.min(times * RECONNECT_MS.step, RECONNECT_MS.most),
};

/**
 * A connection to `unix:///<socket>` or `redis[s]://…` that reconnects by itself for ever.
 * `onError` hears of each failed attempt. Close it with `quit()` or `disconnect()`.
 *
 * @throws CONFIG_INVALID
 */
export function connectRedis(connection: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(redisTarget(connection), OPTIONS);
  redis.on('error', onError);
  return redis;
}

/** How ioredis writes it: the path of a socket, or the URL. @throws CONFIG_INVALID */
export function redisTarget(connection: string): string {
  const socket = /^unix:\/\/(\/.+)$/.exec(connection)?.[1];
  if (socket !== undefined) return socket;
  if (/^rediss?:\/\//.test(connection)) return connection;
  throw new SandboxError(
    'CONFIG_INVALID',
    '[queue] connection must be redis://<host>:<port> or unix:///<path>',
  );
}

/** `[queue] connection` of cuckoo.conf, or the private redis-server's socket when that is empty. */
export function queueConnection(configured: string, socket: string): string {
  return configured === '' ? `unix://${socket}` : configured;
}
