import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Lane } from '#domain/lanes.js';
import { within } from './within.js';

/** Says where to look; the truth is in SQL and in the lanes. A letter that is lost costs the time until the next look. */
export type Letter =
  /** A task may not be the worker's any more. */
  | { readonly kind: 'tasks' }
  /** What an operator wants of its machines, or of itself, has changed. */
  | { readonly kind: 'machines' }
  /** A machine is to be tested now; `answer` names the place for the result (machine-notes.ts). */
  | { readonly kind: 'test'; readonly machine: string; readonly answer: string }
  /** There is a lane that was not there before. */
  | { readonly kind: 'lanes' };

/** Seconds a letter waits for a worker that is gone. */
const KEPT_S = 60;
/** Seconds one wait lasts, and milliseconds between two that failed. */
const BLOCK_S = 5;
const RETRY_MS = 500;

/** Never rejects, and never waits for a Redis that is away: whoever waits for the letter looks by itself, later. */
export async function send(redis: Redis, worker: string, letter: Letter): Promise<void> {
  if (redis.status !== 'ready') return;
  const box = `malkoha:mail:${worker}`;
  await within(redis.multi().rpush(box, JSON.stringify(letter)).expire(box, KEPT_S).exec()).catch(
    () => undefined,
  );
}

/** The letters to one worker, over a connection of its own, until disposed. */
export function receive(
  redis: Redis,
  worker: string,
  onLetter: (letter: Letter) => void,
  onError: (error: Error) => void,
): AsyncDisposable {
  const connection = redis.duplicate();
  connection.on('error', onError);
  const ended = new AbortController();
  const follow = async (): Promise<void> => {
    for (;;) {
      try {
        await connection.sadd('malkoha:workers', worker); // a Redis that lost its data is told again
        const found = await connection.blpop(`malkoha:mail:${worker}`, BLOCK_S);
        if (found !== null) onLetter(JSON.parse(found[1]) as Letter);
      } catch (error) {
        if (ended.signal.aborted) return; // whoever aborts also closes the connection
        onError(error as Error);
        await sleep(RETRY_MS, undefined, { signal: ended.signal }).catch(() => {});
      }
    }
  };
  void follow();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      connection.disconnect();
      // Not waited for: a Redis that ends with us would hold up our end, and the reconciler does it again.
      void forgetWorkers(redis, [worker]);
    },
  };
}

/** Letters to all are sent to these only. */
export async function keepWorkers(redis: Redis, living: readonly string[]): Promise<void> {
  const known = await redis.smembers('malkoha:workers');
  await forgetWorkers(
    redis,
    known.filter((worker) => !living.includes(worker)),
  );
}

/** Letters to all are not sent to them any more. */
export async function forgetWorkers(redis: Redis, workers: readonly string[]): Promise<void> {
  if (workers.length === 0 || redis.status !== 'ready') return;
  // One that went away this moment would be waited for; the reconciler does it again.
  await within(redis.srem('malkoha:workers', ...workers)).catch(() => undefined);
}

/** How an idle host waits for a task: of all that wait for a lane, each new task wakes one. */
export class Bells implements AsyncDisposable {
  readonly #connection: Redis;
  readonly #own: string;
  #waiting = false;
  #close: (nothing: null) => void = () => {};
  readonly #closed = new Promise<null>((resolve) => (this.#close = resolve));
  /** Something changed since the last wait began. */
  #changed = false;

  constructor(
    private readonly redis: Redis,
    worker: string,
    onError: (error: Error) => void,
  ) {
    this.#connection = redis.duplicate();
    this.#connection.on('error', onError);
    this.#own = `malkoha:bell:@${worker}`;
  }

  /** The lane that rang, or null after `mostMs` or a few seconds, or when `wake` was called. */
  async wait(lanes: readonly Lane[], mostMs: number | null = null): Promise<Lane | null> {
    if (this.#changed) {
      this.#changed = false;
      return null;
    }
    this.#waiting = true;
    try {
      const keys = [this.#own, ...lanes.map((lane) => `malkoha:bell:${lane}`)];
      // A command that waits for a Redis that is away is not even told that the connection was closed.
      const rung = this.#connection.blpop(...keys, blockFor(mostMs));
      const found = await Promise.race([rung, this.#closed]);
      return found === null || found[0] === this.#own ? null : found[0].slice('malkoha:bell:'.length);
    } finally {
      this.#waiting = false;
    }
  }

  /** Something of this host has changed: it looks again. */
  wake(): void {
    this.#changed = !this.#waiting;
    if (!this.#waiting || this.redis.status !== 'ready') return;
    this.#waiting = false;
    void this.redis
      .multi()
      .rpush(this.#own, '1')
      .expire(this.#own, KEPT_S)
      .exec()
      .catch(() => undefined);
  }

  /** A lane rang here, and this host can do nothing for it: another one should look. */
  async passOn(lane: Lane): Promise<void> {
    const bell = `malkoha:bell:${lane}`;
    if (this.redis.status !== 'ready') return;
    if ((await within(this.redis.llen(bell))) === 0) await within(this.redis.rpush(bell, '1'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(null);
    this.#connection.disconnect();
  }
}

/** Seconds for Redis, to which 0 is for ever. */
function blockFor(mostMs: number | null): number {
  return mostMs === null ? BLOCK_S : Math.min(BLOCK_S, Math.max(0.01, mostMs / 1000));
}
