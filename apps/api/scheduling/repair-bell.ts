import { leaderOf } from '#queue/liveness.js';
import { send } from '#queue/mail.js';
import type { Redis } from 'ioredis';

/** Milliseconds between two letters: one look of the reconciler is for all tasks that came until then. */
const QUIET_MS = 1_000;

/** Asks the worker that repairs the lab to look now, not at its next round. */
export class RepairBell implements AsyncDisposable {
  #timer: NodeJS.Timeout | undefined;
  #again = false;

  constructor(private readonly redis: Redis) {}

  ring(): void {
    if (this.#timer !== undefined) {
      this.#again = true;
      return;
    }
    void this.#send();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.ring();
    }, QUIET_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
  }

  /** Never rejects: the reconciler looks by itself, later. */
  async #send(): Promise<void> {
    if (this.redis.status !== 'ready') return;
    const leader = await leaderOf(this.redis).catch(() => null);
    if (leader !== null) await send(this.redis, leader, { kind: 'lanes' });
  }
}
