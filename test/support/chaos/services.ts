import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateRedisPlaces, PrivateRedis } from '#queue/private-redis.js';
import { startPrivateRedis } from '#queue/private-redis.js';
import type { TestPostgres } from '../postgres.js';

/** A service that crashes and comes back with its data. */
export interface Crashing {
  readonly name: string;
  kills: number;
  /** When it was last away, by performance.now(). */
  awayAt: number;
  crash(): Promise<void>;
}

/** Milliseconds that it stays away. */
const AWAY_MS = 700;

export async function crashingRedis(places: PrivateRedisPlaces) {
  const never = new AbortController().signal;
  let server: PrivateRedis = await startPrivateRedis(places, never);
  const service: Crashing = {
    name: 'redis',
    kills: 0,
    awayAt: -Infinity,
    async crash() {
      service.kills += 1;
      service.awayAt = performance.now();
      const lost = once(server.lost, 'abort');
      process.kill(server.pid, 'SIGKILL');
      await lost;
      await server[Symbol.asyncDispose]();
      await sleep(AWAY_MS);
      server = await startPrivateRedis(places, never);
      service.awayAt = performance.now();
    },
  };
  return {
    service,
    connection: server.connection,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export function crashingPostgres(postgres: TestPostgres): Crashing {
  const service: Crashing = {
    name: 'postgresql',
    kills: 0,
    awayAt: -Infinity,
    async crash() {
      service.kills += 1;
      service.awayAt = performance.now();
      await postgres.kill();
      await sleep(AWAY_MS);
      await postgres.restart();
      service.awayAt = performance.now();
    },
  };
  return service;
}
