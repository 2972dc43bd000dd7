import { createRequire } from 'node:module';
import type * as BullMQ from 'bullmq';
import type { Job, Processor, Queue, Worker, WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { SandboxError } from '#domain/errors.js';
import type { Requirements } from '#domain/machine.js';
import { laneOf, lanesServed, type Lane } from './lanes.js';
import { within } from './within.js';

/** Loaded at first use: a sixth of the API's start-up, and not needed before the first submission. */
const bullmq = (): typeof BullMQ => createRequire(import.meta.url)('bullmq') as typeof BullMQ;

export interface TaskJob {
  readonly taskId: number;
}

export const PROCESSING_QUEUE = 'processing';

export function analysisQueue(lane: Lane): string {
  return `analysis.${lane}`;
}

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

/** Where a task stands: `ahead` tasks are taken before it; `taken`: a worker has it; `delayed`: to be tried again. */
export type JobPlace =
  { readonly state: 'waiting'; readonly ahead: number } | { readonly state: 'taken' | 'delayed' | 'none' };

/** Jobs taken back from a worker that died, which BullMQ serves before all others: so many are looked through. */
const RECOVERED_LIMIT = 1000;

/** What a queue needs to know of a task. */
export interface QueuedTask extends Requirements {
  readonly id: number;
  readonly priority: number;
}

/** The queues over one Redis connection, which stays the caller's to close. */
export class Queues implements AsyncDisposable {
  readonly #open = new Map<string, Queue<TaskJob>>();

  constructor(
    readonly redis: Redis,
    private readonly onError: (error: Error) => void,
  ) {}

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
  async enqueueAnalysis(task: QueuedTask): Promise<void> {
    await this.#add(analysisQueue(laneOf(task)), task);
  }

  /** @throws QUEUE_UNAVAILABLE; the task then waits for the reconciler */
  async enqueueProcessing(task: { readonly id: number; readonly priority: number }): Promise<void> {
    await this.#add(PROCESSING_QUEUE, task);
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

  /**
   * Where an analysis stands in its lane. BullMQ keeps what waits in a sorted set by priority and age, so this is
   * O(log n), however long the lane is.
   *
   * @throws QUEUE_UNAVAILABLE
   */
  async place(task: QueuedTask): Promise<JobPlace> {
    this.#mustBeReady();
    const queue = this.get(analysisQueue(laneOf(task)));
    const id = jobId(task.id);
    const [rank, recovered, behind, delayed, locked] = await within(
      Promise.all([
        this.redis.zrank(queue.toKey('prioritized'), id),
        this.redis.llen(queue.toKey('wait')),
        this.redis.lpos(queue.toKey('wait'), id, 'RANK', -1, 'MAXLEN', RECOVERED_LIMIT),
        this.redis.zscore(queue.toKey('delayed'), id),
        this.redis.exists(`${queue.toKey(id)}:lock`),
      ]),
    );
    if (rank !== null) return { state: 'waiting', ahead: recovered + rank };
    if (behind !== null) return { state: 'waiting', ahead: recovered - 1 - behind }; // served from the list's end
    if (delayed !== null) return { state: 'delayed' };
    return { state: locked === 1 ? 'taken' : 'none' };
  }

  /** Why the job of a task failed for good. */
  async failedReason(name: string, taskId: number): Promise<string> {
    const job = (await this.get(name).getJob(jobId(taskId))) as Job<TaskJob> | undefined;
    return job?.failedReason ?? 'the job failed';
  }

  /** Takes a task out of every queue. False: a worker holds it. @throws QUEUE_UNAVAILABLE */
  async remove(taskId: number): Promise<boolean> {
    this.#mustBeReady();
    const names = [PROCESSING_QUEUE, ...lanesServed().map(analysisQueue)];
    const removed = await within(Promise.all(names.map((name) => this.#removeFrom(name, taskId))));
    return removed.every(Boolean);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.values()].map((queue) => queue.close().catch(this.onError)));
    this.#open.clear();
  }

  async #add(name: string, task: { readonly id: number; readonly priority: number }): Promise<void> {
    this.#mustBeReady();
    await within(this.#replaceFailed(name, task));
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

  /** Commands to a Redis that is away would pile up in memory and be carried out at some later time. */
  #mustBeReady(): void {
    if (this.redis.status !== 'ready') {
      throw new SandboxError(
        'QUEUE_UNAVAILABLE',
        'Redis does not answer; the task is stored and goes on when it does',
      );
    }
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
