import { SandboxError } from '#domain/errors.js';
import type { TaskStatus } from '#domain/task.js';
import { analysisQueue, PROCESSING_QUEUE, type JobState, type QueuedTask, type Queues } from './queues.js';
import { laneOf } from './lanes.js';

/** Runs of one task: after the third lost worker the task itself is the suspect. */
export const MAX_ATTEMPTS = 3;
/** Milliseconds between the signs of life a worker gives. */
export const HEARTBEAT_MS = 5000;
/** Milliseconds without one after which its tasks are taken away. */
export const LEASE_MS = 30_000;

/** Rows looked at in one go. */
const PAGE = 500;
/** Rows of one status looked at in one call; more wait for the next minute. */
const MOST_ROWS = 20_000;

export interface Lease extends QueuedTask {
  readonly worker: string | null;
  readonly heartbeatOn: Date | null;
  readonly attempt: number;
  readonly epoch: number;
}

/** The part of the task store that is needed here (libs/storage has it). */
export interface TaskStore {
  leases(status: TaskStatus, afterId: number, limit: number): Promise<readonly Lease[]>;
  move(id: number, from: TaskStatus, to: TaskStatus, fields?: { readonly epoch?: number }): Promise<boolean>;
  addError(taskId: number, action: string | null, message: string): Promise<void>;
}

export interface Repaired {
  /** Tasks put into a queue that should have been in it. */
  readonly enqueued: number[];
  /** Tasks taken back from a worker that is gone. */
  readonly takenBack: number[];
  readonly failed: number[];
}

export type Verdict = 'keep' | 'again' | 'fail';

/** A running task: is its worker gone, and may it run again? */
export function judgeRunning(lease: Lease, now: Date, isGone: (worker: string) => boolean): Verdict {
  const silent = lease.heartbeatOn === null || now.getTime() - lease.heartbeatOn.getTime() > LEASE_MS;
  const gone = lease.worker === null || silent || isGone(lease.worker);
  if (!gone) return 'keep';
  return lease.attempt < MAX_ATTEMPTS ? 'again' : 'fail';
}

/** A pending task and the state of its job. */
export function judgePending(lease: Pick<Lease, 'attempt'>, job: JobState): Verdict {
  if (job === 'present') return 'keep';
  return lease.attempt < MAX_ATTEMPTS ? 'again' : 'fail';
}

/** A completed task and the state of its processing job: a job that failed for good had its retries. */
export function judgeCompleted(job: JobState): Verdict {
  return ({ present: 'keep', none: 'again', failed: 'fail' } as const)[job];
}

/**
 * Repairs what a crash left between SQL, the truth, and the queues: at start and every minute, by any worker. Each
 * repair is one conditional move or one idempotent add, so several at once do no harm.
 *
 * @throws QUEUE_UNAVAILABLE when Redis is away; rows judged until then are done
 */
export async function reconcile(
  store: TaskStore,
  queues: Queues,
  isGone: (worker: string) => boolean,
  signal: AbortSignal,
): Promise<Repaired> {
  const repaired: Repaired = { enqueued: [], takenBack: [], failed: [] };
  if (queues.redis.status !== 'ready') throw new SandboxError('QUEUE_UNAVAILABLE', 'Redis does not answer');

  for await (const lease of rows(store, 'running', signal)) {
    const verdict = judgeRunning(lease, new Date(), isGone);
    if (verdict === 'again') {
      if (await store.move(lease.id, 'running', 'pending', { epoch: lease.epoch }))
        repaired.takenBack.push(lease.id);
    } else if (verdict === 'fail') {
      const reason = `the worker was lost ${lease.attempt} times while this task ran`;
      await fail(store, repaired, { lease, from: 'running', to: 'failed_analysis', reason });
    }
  }

  for await (const { lease, job } of withJobs(store, queues, 'pending', signal)) {
    const verdict = judgePending(lease, job);
    if (verdict === 'again') {
      await queues.enqueueAnalysis(lease);
      repaired.enqueued.push(lease.id);
    } else if (verdict === 'fail') {
      const reason = `the task was begun ${lease.attempt} times and never ended`;
      await fail(store, repaired, { lease, from: 'pending', to: 'failed_analysis', reason });
    }
  }

  for await (const { lease, job } of withJobs(store, queues, 'completed', signal)) {
    const verdict = judgeCompleted(job);
    if (verdict === 'again') {
      await queues.enqueueProcessing(lease);
      repaired.enqueued.push(lease.id);
    } else if (verdict === 'fail') {
      const reason = await queues.failedReason(PROCESSING_QUEUE, lease.id);
      await fail(store, repaired, { lease, from: 'completed', to: 'failed_processing', reason });
    }
  }
  return repaired;
}

async function fail(
  store: TaskStore,
  repaired: Repaired,
  { lease, from, to, reason }: { lease: Lease; from: TaskStatus; to: TaskStatus; reason: string },
): Promise<void> {
  if (!(await store.move(lease.id, from, to, { epoch: lease.epoch }))) return;
  await store.addError(lease.id, 'reconcile', reason);
  repaired.failed.push(lease.id);
}

async function* pages(
  store: TaskStore,
  status: TaskStatus,
  signal: AbortSignal,
): AsyncGenerator<readonly Lease[]> {
  let after = 0;
  for (let seen = 0; seen < MOST_ROWS;) {
    signal.throwIfAborted();
    const page = await store.leases(status, after, PAGE);
    yield page;
    seen += page.length;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = last.id;
  }
}

async function* rows(store: TaskStore, status: TaskStatus, signal: AbortSignal): AsyncGenerator<Lease> {
  for await (const page of pages(store, status, signal)) yield* page;
}

async function* withJobs(
  store: TaskStore,
  queues: Queues,
  status: 'pending' | 'completed',
  signal: AbortSignal,
): AsyncGenerator<{ lease: Lease; job: JobState }> {
  for await (const page of pages(store, status, signal)) {
    const byQueue = new Map<string, Lease[]>();
    for (const lease of page) {
      const name = status === 'pending' ? analysisQueue(laneOf(lease)) : PROCESSING_QUEUE;
      const leases = byQueue.get(name) ?? [];
      leases.push(lease);
      byQueue.set(name, leases);
    }
    for (const [name, leases] of byQueue) {
      const ids = leases.map((lease) => lease.id);
      const states = await queues.states(name, ids);
      for (const [index, lease] of leases.entries()) yield { lease, job: states[index] ?? 'none' };
    }
  }
}
