import type { Redis } from 'ioredis';
import { reason } from '#domain/errors.js';
import type { Log } from './log.js';

/** Tells once that Redis is away, and once that it is back: each of many connections reports each of its tries. */
export class OutageLog {
  #isAway = false;
  #redis: Redis | null = null;

  constructor(private readonly log: Log) {}

  /** The connection that tells whether it is there. */
  watch(redis: Redis): void {
    this.#redis = redis;
    redis.on('ready', () => {
      if (this.#isAway) this.log('info', 'queue: Redis answers again');
      this.#isAway = false;
    });
  }

  readonly onError = (error: unknown): void => {
    const isConnected = this.#redis?.status === 'ready';
    if (this.#isAway && !isConnected) return;
    this.#isAway = !isConnected;
    this.log('warn', `queue: ${reason(error)}`, { code: 'QUEUE_UNAVAILABLE' });
  };
}
