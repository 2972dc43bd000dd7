import type { DataSource } from 'typeorm';
import { canMove, type Submission, type Task } from '#domain/task.js';
import { TaskRow } from './entities/task.entity.js';
import { insertTask } from './insert-task.js';
import { transaction } from './turns.js';

/**
 * Puts a copy in the task's place, both or neither: the old one becomes `recovered` if its status is still the one in
 * `task`. Null: somebody else was first.
 */
export async function replaceTask(db: DataSource, task: Task, copy: Submission): Promise<number | null> {
  if (!canMove(task.status, 'recovered')) return null;
  return transaction(db, async (inside) => {
    const { affected } = await inside.update(
      TaskRow,
      { id: task.id, status: task.status },
      { status: 'recovered' },
    );
    if (affected !== 1) return null;
    return insertTask(inside, copy, { sampleId: task.sample?.id ?? null });
  });
}
