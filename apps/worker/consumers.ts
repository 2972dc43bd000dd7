import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Piscina } from 'piscina';
import type { Worker } from 'bullmq';
import { reason, SandboxError } from '#domain/errors.js';
import type { TaskEvent } from '#queue/events.js';
import { DEFAULT_LANE } from '#queue/lanes.js';
import { analysisQueue, openWorker, PROCESSING_QUEUE, type Queues, type TaskJob } from '#queue/queues.js';
import { analysisDir } from '#storage/analyses.js';
import { analyze, type Analyst } from './analyst.js';
import type { Claim } from '#storage/task-details.js';
import type { ExamineJob, ExamineResult } from './examine.thread.js';

/** A report that takes longer than this is taken for hung: its thread is ended and the job tried again. */
const EXAMINE_TIMEOUT_MS = 15 * 60_000;
/** Heap of one examining thread, MiB: a log that needs more is a hostile one. */
const EXAMINE_HEAP_MB = 1536;

/**
 * A dead worker's jobs are delivered again after this long. BullMQ's 30 s are for loops that block; ours must not,
 * and a job delivered twice does no harm: SQL decides.
 */
const LOCK = { lockDuration: 10_000, stalledInterval: 5_000 } as const;

/** What runs was told to hand back; it needs seconds, a Redis that is gone would need for ever. */
const CLOSE_TIMEOUT_MS = 15_000;

async function close(worker: Worker<TaskJob>): Promise<void> {
  const waited = await Promise.race([
    worker.close().then(() => true),
    sleep(CLOSE_TIMEOUT_MS, false, { ref: false }),
  ]);
  if (!waited) await worker.disconnect();
}

export interface Analyses extends AsyncDisposable {
  readonly worker: Worker<TaskJob>;
  /** Gives a sign of life, and stops the runs that were taken from us meanwhile. */
  heartbeat(): Promise<void>;
  /** A task that we run and that is running no more, as an event says, is looked at now: a cancel must not wait. */
  hear(event: TaskEvent): void;
}

/** Queue analysis.<lane> → a machine → completed → queue processing. */
export function consumeAnalyses(
  by: Analyst,
  queues: Queues,
  concurrency: number,
  shutdown: AbortSignal,
): Analyses {
  const runs = new Map<string, { readonly claim: Claim; readonly taken: AbortController }>();
  const consume = async ({ data: { taskId } }: { data: TaskJob }): Promise<void> => {
    const known = await by.tasks.find(taskId);
    // Redis delivers at least once, SQL decides: a task that is not pending is somebody's, or has ended.
    if (known?.task.status !== 'pending' || shutdown.aborted) return;
    const taken = new AbortController();
    let key = '';
    const onClaim = (claim: Claim): void => {
      key = `${taskId}/${claim.epoch}`;
      runs.set(key, { claim, taken });
    };
    try {
      const verdict = await analyze(known.task, { ...by, onClaim }, { shutdown, taken: taken.signal });
      if (verdict.kind === 'again') throw new Error(verdict.why); // BullMQ tries again after a pause
      if (verdict.kind === 'done') await passOn(taskId, by, queues);
    } finally {
      runs.delete(key);
    }
  };
  const worker = openWorker(analysisQueue(DEFAULT_LANE), queues.redis, consume, { ...LOCK, concurrency });
  worker.on('error', (error) => by.log('warn', `queue: ${error.message}`));
  const heartbeat = async (): Promise<void> => {
    const before = [...runs.values()];
    const ours = await by.tasks.heartbeat(
      by.worker,
      before.map(({ claim }) => claim.task.id),
    );
    for (const { claim, taken } of before) {
      const { id } = claim.task;
      if (ours.get(id) === claim.epoch) continue;
      taken.abort(new SandboxError('CANCELLED', `task ${id} was taken from this worker`));
    }
  };
  return {
    worker,
    heartbeat,
    hear: (event) => {
      if (event.kind === 'phase' || (event.kind === 'status' && event.status === 'running')) return;
      if (![...runs.values()].some(({ claim }) => claim.task.id === event.task)) return;
      heartbeat().catch((error: unknown) => by.log('warn', reason(error), { task: event.task }));
    },
    [Symbol.asyncDispose]: () => close(worker),
  };
}

async function passOn(taskId: number, by: Analyst, queues: Queues): Promise<void> {
  const now = await by.tasks.find(taskId);
  if (now?.task.status !== 'completed') return;
  try {
    await queues.enqueueProcessing(now.task);
  } catch (error) {
    by.log('warn', `the reconciler will queue it for processing: ${reason(error)}`, { task: taskId });
  }
}

export interface Processing extends AsyncDisposable {
  readonly worker: Worker<TaskJob>;
}

/** Queue processing → report. In threads, so that a large log does not hold up the guests' networks. */
export function consumeProcessing(by: Analyst, queues: Queues): Processing {
  const threads = new Piscina<ExamineJob, ExamineResult>({
    filename: new URL('./examine.thread.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: Math.max(1, Math.floor(availableParallelism() / 2)),
    resourceLimits: { maxOldGenerationSizeMb: EXAMINE_HEAP_MB },
  });
  const consume = async ({
    data: { taskId },
    attemptsMade,
    opts,
  }: {
    data: TaskJob;
    attemptsMade: number;
    opts: { attempts?: number };
  }): Promise<void> => {
    if ((await by.tasks.status(taskId)) !== 'completed') return;
    const started = performance.now();
    try {
      const result = await threads.run(
        { dir: analysisDir(by.home.analyses, taskId) },
        { signal: AbortSignal.timeout(EXAMINE_TIMEOUT_MS) },
      );
      for (const failure of result.failures) await by.tasks.addError(taskId, 'processing', failure);
    } catch (error) {
      const last = attemptsMade + 1 >= (opts.attempts ?? 1);
      by.log('error', reason(error), { task: taskId, stage: 'processing' });
      if (!last) throw error;
      await by.tasks.addError(taskId, 'PROCESSING_FAILED', reason(error));
      await by.tasks.move(taskId, 'completed', 'failed_processing');
      return;
    }
    by.onPhase(taskId, 'report', performance.now() - started, undefined);
    await by.tasks.move(taskId, 'completed', 'reported');
  };
  const worker = openWorker(PROCESSING_QUEUE, queues.redis, consume, {
    ...LOCK,
    concurrency: threads.maxThreads,
  });
  worker.on('error', (error) => by.log('warn', `queue: ${error.message}`));
  return {
    worker,
    [Symbol.asyncDispose]: async () => {
      await close(worker);
      await threads.destroy();
    },
  };
}
