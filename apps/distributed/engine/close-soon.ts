import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'bullmq';
import type { JobData } from './jobs.js';

/** Milliseconds that jobs under way are given to be put off: a Redis that is away would be waited for. */
const GRACE_MS = 1500;

/** Closes a worker when its jobs have ended, or without them: they are then somebody else's when their locks run out. */
export async function closeSoon(worker: Worker<JobData>): Promise<void> {
  const over = new AbortController();
  const late = sleep(GRACE_MS, 'late' as const, { signal: over.signal }).catch(() => 'closed' as const);
  const closed = worker.close().then(() => 'closed' as const);
  try {
    if ((await Promise.race([closed, late])) === 'closed') return;
  } finally {
    over.abort();
  }
  closed.catch(() => {}); // its connections are cut now
  await Promise.race([worker.disconnect(), sleep(GRACE_MS)]);
}
