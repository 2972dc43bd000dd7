import type { DataSource } from 'typeorm';
import { TaskRow } from '../entities/task.entity.js';
import type { RunStates } from './store.js';

/** The rows of the lab's database. */
export function runStates(db: DataSource): RunStates {
  return async (id) => {
    const select = { id: true, epoch: true, status: true, completedOn: true } as const;
    const row = await db.manager.findOne(TaskRow, { select, where: { id } });
    return row && { epoch: row.epoch, status: row.status, completedOn: row.completedOn };
  };
}
