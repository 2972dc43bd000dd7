import { In, type EntityManager } from 'typeorm';
import type { Sample, Submission } from '#domain/task.js';
import { SampleRow } from './entities/sample.entity.js';
import { TagRow } from './entities/tag.entity.js';
import { TaskRow } from './entities/task.entity.js';

export interface TaskParents {
  readonly sampleId: number | null;
  readonly submitId?: number | null;
}

/** Inside a transaction: stores the task, pending, and returns its id. */
export async function insertTask(
  db: EntityManager,
  { tags, ...columns }: Submission,
  { sampleId, submitId = null }: TaskParents,
): Promise<number> {
  const inserted = await db.insert(TaskRow, {
    ...columns,
    sampleId,
    submitId,
    status: 'pending',
    addedOn: new Date(),
  });
  const taskId = (inserted.identifiers[0] as { id: number }).id;
  const tagIds = await tagIdsOf(db, [...new Set(tags)]);
  if (tagIds.length > 0) {
    await db
      .createQueryBuilder()
      .insert()
      .into('tasks_tags')
      .values(tagIds.map((tag_id) => ({ task_id: taskId, tag_id })))
      .execute();
  }
  return taskId;
}

export interface InsertedSample {
  readonly id: number;
  /** No earlier submission had this content. Of two transactions that store it at once, one is told so. */
  readonly isNew: boolean;
}

/** Inside a transaction: stores the sample unless the content is known. */
export async function insertSample(db: EntityManager, sample: Omit<Sample, 'id'>): Promise<InsertedSample> {
  const [inserted] = await insertOnce(db, 'samples', {
    file_size: sample.fileSize,
    file_type: sample.fileType,
    md5: sample.md5,
    crc32: sample.crc32,
    sha1: sample.sha1,
    sha256: sample.sha256,
    sha512: sample.sha512,
    ssdeep: sample.ssdeep,
  });
  if (inserted) return { id: (inserted as { id: number }).id, isNew: true };
  const { id } = await db.findOneByOrFail(SampleRow, { sha256: sample.sha256 });
  return { id, isNew: false };
}

/**
 * Inserts the row unless a unique column forbids it; answers the row, or nothing. As SQL: TypeORM's INSERT does not
 * tell which it was. On PostgreSQL it waits for a transaction that has inserted the same and not ended yet.
 */
export async function insertOnce(
  db: EntityManager,
  table: 'samples' | 'idempotency',
  row: Readonly<Record<string, string | number | null>>,
): Promise<readonly unknown[]> {
  const sqlite = db.dataSource.options.type === 'better-sqlite3';
  const columns = Object.keys(row);
  const marks = columns.map((_, index) => (sqlite ? '?' : `$${index + 1}`));
  return db.query<unknown[]>(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks.join(', ')}) ON CONFLICT DO NOTHING RETURNING *`,
    Object.values(row),
  );
}

async function tagIdsOf(db: EntityManager, names: readonly string[]): Promise<number[]> {
  if (names.length === 0) return [];
  const rows = await db.findBy(TagRow, { name: In([...names]) });
  const added = names.filter((name) => rows.every((row) => row.name !== name));
  if (added.length > 0) {
    await insertTags(db, added);
    rows.push(...(await db.findBy(TagRow, { name: In(added) })));
  }
  return rows.map((row) => row.id);
}

async function insertTags(db: EntityManager, names: readonly string[]): Promise<void> {
  // On PostgreSQL two transactions that add the same tags in another order would wait for each other's.
  const sqlite = db.dataSource.options.type === 'better-sqlite3';
  if (!sqlite) await db.query('LOCK TABLE tags IN SHARE ROW EXCLUSIVE MODE');
  await db
    .createQueryBuilder()
    .insert()
    .into(TagRow)
    .values(names.map((name) => ({ name })))
    .orIgnore()
    .updateEntity(false)
    .execute();
}
