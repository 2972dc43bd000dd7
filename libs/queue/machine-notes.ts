import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { MachineTest } from '#domain/machine-test.js';
import { asked } from './lane-queue.js';

/** Seconds the result of a test can be asked for. */
const KEPT_S = 3600;
const ERRORS = 'malkoha:machine-errors';

/** A test of a machine that somebody asked for. */
export interface NotedTest {
  readonly machine: string;
  /** ISO 8601, UTC. */
  readonly askedOn: string;
  /** Null until it has ended. */
  readonly result: MachineTest | null;
}

/** Why a machine failed last, however well it works now. */
export interface NotedError {
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** What workers and operators tell each other about machines beside the rows in SQL; nothing depends on it. */
export class MachineNotes {
  constructor(private readonly redis: Redis) {}

  /** Makes the place for the result. @throws QUEUE_UNAVAILABLE */
  async ask(machine: string): Promise<string> {
    const id = randomUUID();
    await this.#put(id, { machine, askedOn: new Date().toISOString(), result: null });
    return id;
  }

  /** Null: nobody asked, or it is long ago. @throws QUEUE_UNAVAILABLE */
  async test(id: string): Promise<NotedTest | null> {
    const text = await asked(this.redis, () => this.redis.get(key(id)));
    return text === null ? null : (JSON.parse(text) as NotedTest);
  }

  /** @throws QUEUE_UNAVAILABLE */
  async answer(id: string, result: MachineTest): Promise<void> {
    const noted = await this.test(id);
    if (noted !== null) await this.#put(id, { ...noted, result });
  }

  /** @throws QUEUE_UNAVAILABLE */
  async failed(machine: string, reason: string): Promise<void> {
    const note: NotedError = { reason, at: new Date().toISOString() };
    await asked(this.redis, () => this.redis.hset(ERRORS, machine, JSON.stringify(note)));
  }

  /** @throws QUEUE_UNAVAILABLE */
  async lastError(machine: string): Promise<NotedError | null> {
    const text = await asked(this.redis, () => this.redis.hget(ERRORS, machine));
    return text === null ? null : (JSON.parse(text) as NotedError);
  }

  async #put(id: string, test: NotedTest): Promise<void> {
    await asked(this.redis, () => this.redis.set(key(id), JSON.stringify(test), 'EX', KEPT_S));
  }
}

function key(id: string): string {
  return `malkoha:machine-test:${id}`;
}
