import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Piscina } from 'piscina';
import type { Job, Worker } from 'bullmq';
import { reason, SandboxError, type ErrorCode } from '#domain/errors.js';
import { outcomeOf } from '#domain/outcome.js';
import type { Task } from '#domain/task.js';
import { handBack, openWorker, PROCESSING_QUEUE, type Queues, type TaskJob } from '#queue/queues.js';
import { isDatabaseAway } from '#storage/away.js';
import type { Analyst } from './analyst.js';
import { isStoreAway, untilDone } from './until-done.js';
import type { ExamineSettings } from './examine.js';
import { fetchToExamine } from './fetch-to-examine.js';
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
/** Milliseconds for a Redis that is away: it will not hear of it; the job's lock runs out, and another worker takes it. */
const NO_REDIS_MS = 500;

async function close(worker: Worker<TaskJob>, { redis }: Queues): Promise<void> {
  const closed = worker.close().then(() => true);
  const until = performance.now() + CLOSE_TIMEOUT_MS;
  do {
    if (await Promise.race([closed, sleep(NO_REDIS_MS, false, { ref: false })])) return;
  } while (redis.status === 'ready' && performance.now() < until);
  // Not waited for: nobody answers.
  void worker.disconnect().catch(() => undefined);
}

export interface Processing extends AsyncDisposable {
  readonly worker: Worker<TaskJob>;
}

/** Queue `processing` → report. In threads, so that a large log does not hold up the guests' networks. */
export function consumeProcessing(
  by: Analyst & { readonly examination: ExamineSettings },
  queues: Queues,
  shutdown: AbortSignal,
): Processing {
  // An outage of what is asked must not use up the attempts that a report has.
  const asking = { log: by.log, again: (error: unknown) => isDatabaseAway(error) || isStoreAway(error) };
  const patiently = <T>(work: () => Promise<T>): Promise<T> => untilDone(work, asking, shutdown);
  const threads = new Piscina<ExamineJob, ExamineResult>({
    filename: new URL('./examine.thread.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: Math.max(1, Math.floor(availableParallelism() / 2)),
    resourceLimits: { maxOldGenerationSizeMb: EXAMINE_HEAP_MB },
  });
  const examineStored = async (task: Task): Promise<ExamineResult> => {
    const signal = AbortSignal.timeout(EXAMINE_TIMEOUT_MS);
    const dir = await fetchToExamine(by.artifacts, task, signal);
    if (dir === null) throw new SandboxError('PROCESSING_FAILED', 'its artefacts are gone');
    const result = await threads.run({ dir, settings: by.examination }, { signal });
    if (!('failed' in result)) await by.artifacts.publishReports(task.id, signal);
    return result;
  };
  const consume = async (job: Job<TaskJob>, token?: string): Promise<void> => {
    const { taskId } = job.data;
    const known = await patiently(() => by.tasks.find(taskId));
    if (known?.task.status !== 'completed') return;
    const started = performance.now();
    const result = await patiently(() => examineStored(known.task)).catch((error: unknown) => ({
      failed: 'PROCESSING_FAILED' as const,
      why: reason(error),
    }));
    if (shutdown.aborted && 'failed' in result) throw await handBack(job, token);
    if ('failed' in result) {
      by.log('error', result.why, { task: taskId, stage: 'processing', code: result.failed });
      if (job.attemptsMade + 1 < (job.opts.attempts ?? 1)) throw new Error(result.why); // BullMQ tries again after a pause
      return patiently(() => fail(taskId, by, result));
    }
    for (const failure of result.failures)
      await patiently(() => by.tasks.addError(taskId, 'processing', failure));
    for (const [phase, ms] of Object.entries(result.phases)) by.onPhase(taskId, phase, ms, undefined);
    by.onPhase(taskId, 'report', performance.now() - started, undefined);
    await patiently(() => by.tasks.move(taskId, 'completed', 'reported'));
  };
  const worker = openWorker(PROCESSING_QUEUE, queues.redis, consume, {
    ...LOCK,
    concurrency: threads.maxThreads,
  });
  worker.on('error', (error) => by.log('warn', `queue: ${error.message}`));
  return {
    worker,
    [Symbol.asyncDispose]: async () => {
      await close(worker, queues);
      await threads.destroy();
    },
  };
}

async function fail(
  taskId: number,
  by: Analyst,
  { failed, why }: { readonly failed: ErrorCode; readonly why: string },
): Promise<void> {
  const to = failed === 'REPORTING_FAILED' ? 'failed_reporting' : 'failed_processing';
  const outcome = outcomeOf(failed);
  if (!(await by.tasks.move(taskId, 'completed', to, { outcome }))) return;
  await by.tasks.addError(taskId, failed, why);
  by.onEnd?.(outcome);
}
