import type { DataSource } from 'typeorm';
import type { Sample } from '#domain/task.js';
import { SampleRow } from './entities/sample.entity.js';
import { TaskRow } from './entities/task.entity.js';
import { toSample } from './task-details.js';

export type SampleKey =
  | { readonly id: number }
  | { readonly md5: string }
  | { readonly sha1: string }
  | { readonly sha256: string };

/** Finds by id or by a lower-case hash. */
export async function findSample(db: DataSource, key: SampleKey): Promise<Sample | null> {
  const row = await db.manager.findOneBy(SampleRow, key);
  return row && toSample(row);
}

/** Ids of the tasks with this sample, ascending. */
export async function tasksOfSample(db: DataSource, sampleId: number): Promise<number[]> {
  const rows = await db.manager.find(TaskRow, {
    select: { id: true },
    where: { sampleId },
    order: { id: 'ASC' },
  });
  return rows.map((row) => row.id);
}
