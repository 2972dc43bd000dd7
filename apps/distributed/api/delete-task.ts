import type { Context } from '../context.js';

/** Deletes a task, whatever state it is in, with its files here; its copy on a node follows. */
export async function deleteTask(by: Context, id: number): Promise<'deleted' | 'unknown' | 'already'> {
  const { tasks, reports, samples, bells } = by;
  const before = await tasks.find(id);
  const result = await tasks.delete(id);
  if (result !== 'deleted') return result;
  // The row is the truth: files that a kill leaves now are no task's, and are swept.
  await reports.remove(id);
  if (before !== null && before.sha256 !== null) await samples.remove(before.sha256);
  const nodeId = (await tasks.find(id))?.nodeId ?? before?.nodeId ?? null;
  if (nodeId !== null) bells.remove(nodeId);
  bells.place();
  return result;
}
