import type { ErrorCode } from '#domain/errors.js';
import { MAX_ATTEMPTS, type TaskStatus } from '#domain/task.js';
import { asked, type QueuedTask } from './lane-queue.js';
import { PROCESSING_QUEUE, type JobState, type Queues } from './queues.js';

/** Rows looked at in one go. */
const PAGE = 500;
/** Rows of one status looked at in one call; the next goes on behind them. */
const MOST_ROWS = 200_000;

export interface Lease extends QueuedTask {
  readonly worker: string | null;
  readonly attempt: number;
  readonly epoch: number;
}

/** The part of the task store that is needed here (libs/storage has it). */
export interface TaskStore {
  idsOf(status: TaskStatus, afterId: number, limit: number): Promise<readonly number[]>;
  leases(ids: readonly number[]): Promise<readonly Lease[]>;
  /** Running tasks of workers that are gone, at most a page of them. */
  abandoned(): Promise<readonly Lease[]>;
  /** pending → failed_analysis; false: it is not pending (any more). */
  refuse(id: number, code: ErrorCode, message: string): Promise<boolean>;
  /** completed → failed_processing; false: it is not completed (any more). */
  failProcessing(id: number, message: string): Promise<boolean>;
}

export interface Reconciled {
  readonly store: TaskStore;
  readonly queues: Queues;
  /** Where to go on, kept from call to call. */
  readonly places: Places;
  /**
   * Ends the run of a worker that is gone: pending again, or failed_analysis. False: somebody else did, or it ended
   * by itself.
   */
  readonly endLost: (lease: Lease, next: 'pending' | 'failed_analysis', why: string) => Promise<boolean>;
  /** May a task whose worker died run again? ([cuckoo] reschedule) */
  readonly reschedule: boolean;
  /** Are reports written as analyses end? ([cuckoo] process_results) */
  readonly process: boolean;
}

/** Of each status, the task behind which the next call goes on; 0: from the first. */
export interface Places {
  pending: number;
  completed: number;
}

export interface Repaired {
  /** Tasks put into a queue that should have been in it. */
  readonly enqueued: number[];
  /** Tasks taken back from a worker that is gone. */
  readonly takenBack: number[];
  readonly failed: number[];
}

/** A completed task and the state of its processing job: a job that failed for good had its retries. */
export function judgeCompleted(job: JobState): 'keep' | 'again' | 'fail' {
  return ({ present: 'keep', none: 'again', failed: 'fail' } as const)[job];
}

/**
 * Repairs what a crash left between SQL, the truth, and the queues: at start and every few seconds, by one worker at a
 * time. Each repair is one conditional move or one idempotent add, so that several at once would do no harm.
 *
 * @throws QUEUE_UNAVAILABLE when Redis is away; rows judged until then are done
 */
export async function reconcile(by: Reconciled, signal: AbortSignal): Promise<Repaired> {
  const repaired: Repaired = { enqueued: [], takenBack: [], failed: [] };
  await asked(by.queues.redis, () => by.queues.redis.ping());
  await takeBack(by, repaired, signal);
  await fillLanes(by, repaired, signal);
  if (by.process) await fillProcessing(by, repaired, signal);
  return repaired;
}

async function takeBack(by: Reconciled, repaired: Repaired, signal: AbortSignal): Promise<void> {
  for (;;) {
    const lost = await by.store.abandoned();
    let moved = 0;
    for (const lease of lost) {
      signal.throwIfAborted();
      const again = by.reschedule && lease.attempt < MAX_ATTEMPTS;
      const times = lease.attempt === 1 ? 'once' : `${lease.attempt} times`;
      const why = `the worker ${lease.worker ?? '(unknown)'} was lost while this task ran (${times} so far)`;
      if (!(await by.endLost(lease, again ? 'pending' : 'failed_analysis', why))) continue;
      moved += 1;
      (again ? repaired.takenBack : repaired.failed).push(lease.id);
    }
    if (moved === 0) return;
  }
}

async function fillLanes({ store, queues, places }: Reconciled, repaired: Repaired, signal: AbortSignal) {
  const { lanes } = queues;
  for await (const ids of pages(store, places, 'pending', signal)) {
    const there = await asked(queues.redis, () => lanes.has(ids));
    const missing = ids.filter((_, index) => there[index] !== true);
    for (const lease of await store.leases(missing)) {
      if (lease.attempt >= MAX_ATTEMPTS) {
        const why = `the task was begun ${lease.attempt} times and never ended`;
        if (await store.refuse(lease.id, 'WORKER_LOST', why)) repaired.failed.push(lease.id);
      } else if (
        await asked(queues.redis, () => lanes.add(lease, { at: lease.attempt > 0 ? 'front' : 'back' }))
      )
        repaired.enqueued.push(lease.id);
    }
  }
}

async function fillProcessing(
  { store, queues, places }: Reconciled,
  repaired: Repaired,
  signal: AbortSignal,
) {
  for await (const ids of pages(store, places, 'completed', signal)) {
    const states = await queues.states(PROCESSING_QUEUE, ids);
    for (const [index, id] of ids.entries()) {
      const verdict = judgeCompleted(states[index] ?? 'none');
      if (verdict === 'again') {
        const [lease] = await store.leases([id]);
        if (lease === undefined) continue;
        await queues.enqueueProcessing(lease);
        repaired.enqueued.push(id);
      } else if (verdict === 'fail') {
        const why = await queues.failedReason(PROCESSING_QUEUE, id);
        if (await store.failProcessing(id, why)) repaired.failed.push(id);
      }
    }
  }
}

async function* pages(
  store: TaskStore,
  places: Places,
  status: keyof Places,
  signal: AbortSignal,
): AsyncGenerator<readonly number[]> {
  for (let seen = 0; seen < MOST_ROWS;) {
    signal.throwIfAborted();
    const page = await store.idsOf(status, places[status], PAGE);
    places[status] = page.length < PAGE ? 0 : (page.at(-1) ?? 0);
    if (page.length > 0) yield page;
    seen += page.length;
    if (page.length < PAGE) return;
  }
}
