import { z } from 'zod';

/** Tasks of a node, as its last status counts them. */
export const COUNTERS = ['reported', 'running', 'total', 'completed', 'pending'] as const;
export type TaskCounters = Record<(typeof COUNTERS)[number], number>;

const count = z.int().min(0).catch(0);
const shape = z.object({
  tasks: z.object({ reported: count, running: count, total: count, completed: count, pending: count }),
});

/** Null when that is no status. */
export function taskCounters(status: unknown): TaskCounters | null {
  const read = shape.safeParse(status);
  return read.success ? read.data.tasks : null;
}
