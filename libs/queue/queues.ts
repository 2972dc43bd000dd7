import { createRequire } from 'node:module';
import type * as BullMQ from 'bullmq';
import type { Job, Processor, Queue, Worker, WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import {
  asked,
  Lanes,
  type AddOptions,
  type LanePlace,
  type LaneSettings,
  type QueuedTask,
} from './lane-queue.js';

/** Loaded at first use: a sixth of the API's start-up, and not needed before the first submission. */
const bullmq = (): typeof BullMQ => createRequire(import.meta.url)('bullmq') as typeof BullMQ;

export interface TaskJob {
  readonly taskId: number;
}

export const PROCESSING_QUEUE = 'processing';

/** The same task is the same job: adding it twice adds it once. */
export function jobId(taskId: number): string {
  return `task-${taskId}`;
}

/** BullMQ takes 1 … 2 097 151, smaller first, and 0 before all others; a task's priority is any integer, larger first. */
export function jobPriority(priority: number): number {
  const bounded = Math.max(-1_000_000, Math.min(1_000_000, Math.trunc(priority)));
  return 1_000_001 - bounded;
}

/** Seconds a failed job is kept, for the reconciler and for people. */
const KEEP_FAILED_S = 86_400;

const JOB_OPTIONS = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 1000 },
  removeOnComplete: true,
  removeOnFail: { age: KEEP_FAILED_S, count: 1000 },
} as const;

export type JobState = 'none' | 'failed' | 'present';

/** An hour makes up for six levels of priority; everybody has the same share. */
const DEFAULT_LANES: LaneSettings = { ageing: 600, weights: new Map() };

/**
 * Tasks that wait for a machine, in lanes, and tasks that wait for their report, in a BullMQ queue, over one Redis
 * connection, which stays the caller's to close.
 */
export class Queues implements AsyncDisposable {
  readonly #open = new Map<string, Queue<TaskJob>>();

  readonly lanes: Lanes;

  constructor(
    readonly redis: Redis,
    private readonly onError: (error: Error) => void,
    lanes = DEFAULT_LANES,
  ) {
    this.lanes = new Lanes(redis, lanes);
  }

  get(name: string): Queue<TaskJob> {
    const known = this.#open.get(name);
    if (known) return known;
    const queue: Queue<TaskJob> = new (bullmq().Queue)<TaskJob>(name, {
      connection: this.redis,
      defaultJobOptions: JOB_OPTIONS,
    });
    queue.on('error', this.onError);
    this.#open.set(name, queue);
    return queue;
  }

  /** Call it after the row is committed. @throws QUEUE_UNAVAILABLE; the task then waits for the reconciler */
  async enqueueAnalysis(task: QueuedTask, options?: AddOptions): Promise<void> {
    await asked(this.redis, () => this.lanes.add(task, options));
  }

  /** @throws QUEUE_UNAVAILABLE; the task then waits for the reconciler */
  async enqueueProcessing(task: { readonly id: number; readonly priority: number }): Promise<void> {
    await asked(this.redis, () => this.#replaceFailed(PROCESSING_QUEUE, task));
  }

  /** Of each task's job in one queue, in the order of `ids`, in one round trip. */
  async states(name: string, ids: readonly number[]): Promise<JobState[]> {
    if (ids.length === 0) return [];
    const queue = this.get(name);
    const pipeline = this.redis.pipeline();
    for (const id of ids) {
      pipeline.exists(queue.toKey(jobId(id)));
      pipeline.zscore(queue.toKey('failed'), jobId(id));
    }
    const answers = (await pipeline.exec()) ?? [];
    return ids.map((_, index) => {
      const [existsError, exists] = answers[2 * index] ?? [null, 0];
      const [failedError, failed] = answers[2 * index + 1] ?? [null, null];
      const error = existsError ?? failedError;
      if (error) throw error;
      if (exists === 0) return 'none';
      return failed === null ? 'present' : 'failed';
    });
  }

  /** Where an analysis stands in its lane. @throws QUEUE_UNAVAILABLE */
  async place(taskId: number): Promise<LanePlace> {
    return asked(this.redis, () => this.lanes.place(taskId));
  }

  /** Why the job of a task failed for good. */
  async failedReason(name: string, taskId: number): Promise<string> {
    const job = (await this.get(name).getJob(jobId(taskId))) as Job<TaskJob> | undefined;
    return job?.failedReason ?? 'the job failed';
  }

  /** Takes a task out of every queue. False: a worker writes its report. @throws QUEUE_UNAVAILABLE */
  async remove(taskId: number): Promise<boolean> {
    return asked(this.redis, async () => {
      await this.lanes.remove(taskId);
      return this.#removeFrom(PROCESSING_QUEUE, taskId);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.values()].map((queue) => queue.close().catch(this.onError)));
    this.#open.clear();
  }

  async #replaceFailed(name: string, { id, priority }: { id: number; priority: number }): Promise<void> {
    const [state] = await this.states(name, [id]);
    if (state === 'present') return;
    // A failed job of the same name would swallow the new one.
    if (state === 'failed') await this.#removeFrom(name, id);
    await this.get(name).add('task', { taskId: id }, { jobId: jobId(id), priority: jobPriority(priority) });
  }

  /** True when the job is not in the queue (any more), false when a worker holds its lock. */
  async #removeFrom(name: string, taskId: number): Promise<boolean> {
    const queue = this.get(name);
    await queue.remove(jobId(taskId));
    return (await this.redis.exists(queue.toKey(jobId(taskId)))) === 0;
  }
}

/**
 * Takes jobs off one queue. `process` runs with a signal that aborts when the job's lock is lost or the worker closes by
 * force; declare all three parameters, for BullMQ counts them.
 */
export function openWorker(
  name: string,
  redis: Redis,
  process: Processor<TaskJob>,
  options: Pick<WorkerOptions, 'concurrency' | 'autorun' | 'lockDuration' | 'stalledInterval'> = {},
): Worker<TaskJob> {
  // A job whose worker died twice is given a third run, as the attempts of the task's row are counted.
  const { Worker } = bullmq();
  return new Worker<TaskJob>(name, process, { connection: redis, maxStalledCount: 2, ...options });
}

/** Puts a job back that this worker cannot finish, without costing it an attempt; what it answers must be thrown. */
export async function handBack(job: Job<TaskJob>, token: string | undefined): Promise<Error> {
  await job.moveToWait(token);
  return new (bullmq().WaitingError)();
}
