import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'bullmq';
import type { JobData } from './jobs.js';

/** Milliseconds that jobs under way are given to be put off: a Redis that is away would be waited for. */
const GRACE_MS = 1500;

/** Closes a worker when its jobs have ended, or without them: they are then somebody else's when their locks run out. */
export async function closeSoon(worker: Worker<JobData>): Promise<void> {
  const closed = await Promise.race([worker.close().then(() => true), late(false)]);
  if (!closed) await Promise.race([worker.disconnect(), late(undefined)]);
}

function late<T>(value: T): Promise<T> {
  return sleep(GRACE_MS, value, { ref: false });
}
