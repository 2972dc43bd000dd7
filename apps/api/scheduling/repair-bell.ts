import type { Redis } from 'ioredis';
import { leaderOf } from '#queue/liveness.js';
import { send } from '#queue/mail.js';
import { Seldom } from './seldom.js';

/** Milliseconds between two letters: one look of the reconciler is for all tasks that came until then. */
const QUIET_MS = 1_000;

/** Asks the worker that repairs the lab to look now, not at its next round. */
export class RepairBell implements AsyncDisposable {
  readonly #letters = new Seldom(QUIET_MS, () => void this.#send());

  constructor(private readonly redis: Redis) {}

  ring(): void {
    this.#letters.ask();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#letters[Symbol.dispose]();
  }

  /** Never rejects: the reconciler looks by itself, later. */
  async #send(): Promise<void> {
    if (this.redis.status !== 'ready') return;
    const leader = await leaderOf(this.redis).catch(() => null);
    if (leader !== null) await send(this.redis, leader, { kind: 'lanes' });
  }
}
