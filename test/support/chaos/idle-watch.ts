import type { DataSource } from 'typeorm';
import { serves } from '#domain/machine.js';
import type { LaneDepth } from '#queue/lane-queue.js';
import { wantsOf } from '#domain/lanes.js';
import type { Queues } from '#queue/queues.js';
import { workerIsGone } from '#queue/worker-id.js';
import { toMachine, Machines } from '#storage/machines.js';
import { Workers } from '#storage/workers.js';

/** Samples in a row, a second apart, in which a machine is free and the same lane that it serves has an old task. */
const TOO_MANY = 6;
/** Milliseconds that the head of a lane has waited: a younger one may just have come. */
const OLD_MS = 3_000;

/** Looks every second for a machine that idles while a task it could serve waits. */
export class IdleWatch {
  readonly #seen = new Map<string, number>();
  readonly violations = new Set<string>();
  samples = 0;
  /** Machines that were in use, summed over the samples. */
  busy = 0;

  constructor(
    private readonly db: DataSource,
    private readonly queues: Queues,
  ) {}

  /** Something was killed: what comes back needs a moment. */
  reset(): void {
    this.#seen.clear();
  }

  async sample(): Promise<void> {
    const [rows, workers, lanes] = await Promise.all([
      new Machines(this.db).list(),
      new Workers(this.db).list(),
      this.queues.lanes.depths(),
    ]);
    this.samples += 1;
    this.busy += rows.filter(({ state }) => state === 'leased').length;
    // One that was killed is not idle, whatever its rows still say.
    const working = new Set(
      workers.filter(({ id, paused }) => paused === null && !workerIsGone(id)).map(({ id }) => id),
    );
    const idle = rows.filter(
      ({ state, enabled, worker }) =>
        (state === 'ready' || state === 'free') && enabled && working.has(worker),
    );
    const waiting = lanes.filter(({ oldestMs }) => oldestMs !== null && oldestMs > OLD_MS);
    const now = new Set(
      idle.flatMap((row) =>
        waiting
          .filter(({ lane }: LaneDepth) => serves(toMachine(row), wantsOf(lane)))
          .map(({ lane }) => `${row.name} ${lane}`),
      ),
    );
    for (const key of this.#seen.keys()) if (!now.has(key)) this.#seen.delete(key);
    for (const key of now) {
      const times = (this.#seen.get(key) ?? 0) + 1;
      this.#seen.set(key, times);
      if (times >= TOO_MANY) this.violations.add(key);
    }
  }
}
