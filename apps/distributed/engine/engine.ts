import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { reason } from '#domain/errors.js';
import { Cleanup } from '../../cleanup.js';
import type { Bells, Context } from '../context.js';
import { EarlyEnds } from './early.js';
import { removeDue } from './ends.js';
import { every } from './every.js';
import { keepHouse } from './housekeeping.js';
import { Ills } from './ills.js';
import { Jobs, type HouseJobName, type JobData } from './jobs.js';
import { LastLooks } from './look.js';
import { closeSoon } from './close-soon.js';
import { NodeWorkers, type WorkerParts } from './node-workers.js';
import { LaneWants, place } from './place.js';
import { Rounds } from './rounds.js';
import { reconcile } from './reconcile.js';

/** Milliseconds between two looks at the clock, and at the table of nodes: another controller may have changed it. */
const TICK_MS = 1000;
/** Milliseconds between two looks for what is too old. */
const HOUR_MS = 3_600_000;

export type EngineParts = Omit<Context, 'bells' | 'home' | 'db' | 'redis'>;

/** This controller's share of the work: tasks go out to nodes, and reports come back. */
export class Engine implements AsyncDisposable {
  readonly bells: Bells;
  readonly #owned: Cleanup;

  private constructor(bells: Bells, owned: Cleanup) {
    this.bells = bells;
    this.#owned = owned;
  }

  /** `redis` stays the caller's to close. */
  static async start(by: EngineParts, redis: Redis, onError: (error: unknown) => void): Promise<Engine> {
    await using cleanup = new Cleanup(onError);
    const jobs = cleanup.use(new Jobs(redis, onError));
    const [early, ills] = [new EarlyEnds(), new Ills()];
    const parts: WorkerParts = {
      ...by,
      ...{ jobs, early, ills, startedOn: new Date(), withdrawing: new Set<number>() },
      ...{ heard: new Set<number>(), lastLooks: new LastLooks(), wants: new LaneWants() },
    };

    const house = jobs.worker('house', (job: Job<JobData>) => housework(parts, job.name as HouseJobName), {
      concurrency: 1,
    });
    cleanup.defer(() => closeSoon(house));
    const workers = cleanup.use(new NodeWorkers(parts));
    const rounds = new Rounds(jobs, parts.settings.interval);
    cleanup.defer(
      every(TICK_MS, async () => {
        await workers.sync();
        await rounds.ask(workers.nodes).catch(onError);
      }),
    );

    cleanup.defer(every(HOUR_MS, (signal) => keepHouse(parts, signal)));

    const ring = (work: Promise<unknown>): void => void work.catch(onError);
    const bells: Bells = {
      place: () => ring(jobs.house('place')),
      remove: (nodeId) => ring(removeDue(parts, nodeId)),
      nodes: () => ring(workers.sync().then(() => jobs.house('reconcile'))),
    };
    return new Engine(bells, cleanup.move());
  }

  /** Ends what is under way; it is gone on with by whoever looks next. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }
}

async function housework(parts: WorkerParts, name: HouseJobName): Promise<void> {
  try {
    await (name === 'place' ? place(parts) : reconcile(parts));
  } catch (error) {
    // The next reconciliation does it again.
    parts.log('error', `${name}: ${reason(error)}`, { stage: name });
  }
}
