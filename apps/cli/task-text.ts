import type { TaskStatus } from '#domain/task.js';
import type { TaskBody } from './answers.js';
import type { styles } from './text.js';

export function hasFailed(status: TaskStatus): boolean {
  return status.startsWith('failed') || status === 'recovered';
}

/** Why a task that has ended has no report; null when it has one. */
export function failureOf({ status, errors }: TaskBody): string | null {
  return hasFailed(status) ? (errors.at(-1) ?? status) : null;
}

/** Green has a report, red has none and will not, yellow is at work, the rest waits. */
export function statusStyle(
  { dim, red, yellow, green }: ReturnType<typeof styles>,
  status: TaskStatus,
): (text: string) => string {
  if (hasFailed(status)) return red;
  if (status === 'reported') return green;
  return status === 'pending' ? dim : yellow;
}

/** The URL, or the submitted file's name: the path before it is the server's business. */
export function shownTarget({ category, target }: TaskBody): string {
  return category === 'url' ? target : target.slice(target.lastIndexOf('/') + 1);
}
