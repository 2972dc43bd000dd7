import { DIST_ENDED } from '#distribution/task.js';
import type { Context } from '../context.js';
import { ended } from './ended.js';

/** Ends a task as failed, whatever it does; its copy on a node is ended and deleted. Its row and its id stay. */
export async function cancelTask(by: Context, id: number): Promise<'cancelled' | 'unknown' | 'ended'> {
  const { tasks, log } = by;
  // Whoever moves it in between brings it nearer to its end: this does not go on for long.
  for (;;) {
    const task = await tasks.find(id);
    if (task === null) return 'unknown';
    if (DIST_ENDED.includes(task.state)) return 'ended';
    if (!(await tasks.fail(task, 'it was cancelled', { clean: true }))) continue;
    log('info', 'cancelled', { task: id, stage: 'cancel' });
    await ended(by, task);
    return 'cancelled';
  }
}
