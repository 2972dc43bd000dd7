import { reason } from '#domain/errors.js';
import type { Parts } from './parts.js';

const PAGE = 500;
const DAY_MS = 86_400_000;

type Kept = Pick<Parts, 'tasks' | 'reports' | 'samples' | 'statuses' | 'settings' | 'log'>;
type Chore = (parts: Kept, signal: AbortSignal) => Promise<void>;

const CHORES: readonly Chore[] = [
  ({ samples }, signal) => samples.sweep(signal),
  ({ reports }, signal) => reports.sweep(signal),
  forgetStatuses,
  forgetTasks,
];

/**
 * Removes what killed controllers left on the disks, and what is older than the settings keep it. Nothing waits for it;
 * what does not work is told, and tried again in the next round. Any number of controllers may do it at once.
 */
export async function keepHouse(parts: Kept, signal: AbortSignal): Promise<void> {
  for (const chore of CHORES) {
    try {
      if (!signal.aborted) await chore(parts, signal);
    } catch (error) {
      if (!signal.aborted) parts.log('warn', `not tidied up: ${reason(error)}`, { stage: 'housekeeping' });
    }
  }
}

async function forgetStatuses({ statuses, settings }: Kept, signal: AbortSignal): Promise<void> {
  const { statusesDays } = settings.retention;
  if (statusesDays > 0) await statuses.sweep(daysAgo(statusesDays), signal);
}

async function forgetTasks({ tasks, reports, settings }: Kept, signal: AbortSignal): Promise<void> {
  const { reportsDays } = settings.retention;
  if (reportsDays === 0) return;
  for (;;) {
    const page = await tasks.expired(daysAgo(reportsDays), PAGE);
    for (const { id } of page) {
      signal.throwIfAborted();
      await tasks.delete(id);
      await reports.remove(id);
    }
    if (page.length < PAGE) return;
  }
}

function daysAgo(days: number): Date {
  return new Date(Date.now() - days * DAY_MS);
}
