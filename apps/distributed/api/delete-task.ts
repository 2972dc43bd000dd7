import type { Context } from '../context.js';
import { ended } from './ended.js';

/** Deletes a task, whatever state it is in, with its files here; its copy on a node follows. */
export async function deleteTask(by: Context, id: number): Promise<'deleted' | 'unknown' | 'already'> {
  const { tasks, reports } = by;
  const result = await tasks.delete(id);
  if (result !== 'deleted') return result;
  // The row is the truth: files that a kill leaves now are no task's, and are swept.
  await reports.remove(id);
  const task = await tasks.find(id); // as it is now: its row stays
  if (task !== null) await ended(by, task);
  return result;
}
