import type { DataSource } from 'typeorm';
import { TaskRow } from './entities/task.entity.js';
import { utcText } from './columns.js';
import { readTasks, type StoredTask } from './read-tasks.js';
import type { ListPlace } from './task-details.js';

export const FAILED = ['failed_analysis', 'failed_processing', 'failed_reporting'] as const;

/** Every field is optional; nothing narrows to nothing. */
export interface FailedFilter {
  readonly outcome?: string;
  readonly notOutcome?: string;
  /** Ended later than that. */
  readonly since?: Date;
}

export interface FailedPage {
  readonly limit: number;
  readonly order: 'newest first' | 'oldest first';
  /** Only what comes after it, in that order. */
  readonly after: ListPlace | null;
}

interface Part {
  readonly condition: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** The tasks that ended without a report, by the end of their analysis; `next` is where the next page begins. */
export async function failedTasks(
  db: DataSource,
  filter: FailedFilter,
  page: FailedPage,
): Promise<{ readonly tasks: readonly StoredTask[]; readonly next: ListPlace | null }> {
  const places: ListPlace[] = [];
  for (const part of partsAfter(page.after, page.order)) {
    if (places.length < page.limit)
      places.push(...(await placesIn(db, filter, part, { ...page, limit: page.limit - places.length })));
  }
  const ids = places.map(({ id }) => id);
  const found = await readTasks(db.manager, ids);
  return {
    tasks: ids.flatMap((id) => found.get(id) ?? []),
    next: places.length < page.limit ? null : (places.at(-1) ?? null),
  };
}

/** A range of an index for each status, put together here: as one query the database would sort all that failed. */
async function placesIn(
  db: DataSource,
  { outcome, notOutcome, since }: FailedFilter,
  { condition, values }: Part,
  { limit, order }: FailedPage,
): Promise<ListPlace[]> {
  const newest = order === 'newest first';
  const lists = await Promise.all(
    FAILED.map((status) => {
      const query = db
        .createQueryBuilder(TaskRow, 'task')
        .select('task.id', 'id')
        .addSelect('task.completed_on', 'completedOn')
        .where(`task.status = :status AND ${condition}`, { status, ...values });
      if (outcome !== undefined) query.andWhere('task.outcome = :outcome', { outcome });
      if (notOutcome !== undefined)
        query.andWhere('(task.outcome IS NULL OR task.outcome <> :notOutcome)', { notOutcome });
      if (since !== undefined) query.andWhere('task.completed_on > :since', { since: utcText(since) });
      return query
        .orderBy('task.completed_on', newest ? 'DESC' : 'ASC', newest ? 'NULLS LAST' : 'NULLS FIRST')
        .addOrderBy('task.id', newest ? 'DESC' : 'ASC')
        .limit(limit)
        .getRawMany<ListPlace>();
    }),
  );
  const sorted = lists.flat().sort(byEnd);
  return (newest ? sorted.reverse() : sorted).slice(0, limit);
}

function byEnd(a: ListPlace, b: ListPlace): number {
  const [left, right] = [a.completedOn ?? '', b.completedOn ?? ''];
  return left === right ? a.id - b.id : left < right ? -1 : 1;
}

/** What comes after a place, in order: the old rows without an end are the oldest. */
function partsAfter(place: ListPlace | null, order: FailedPage['order']): readonly Part[] {
  const newest = order === 'newest first';
  const ended = { condition: 'task.completed_on IS NOT NULL', values: {} };
  const never = { condition: 'task.completed_on IS NULL', values: {} };
  const sign = newest ? '<' : '>';
  if (place === null) return newest ? [ended, never] : [never, ended];
  const { id, completedOn } = place;
  if (completedOn === null) {
    const rest = { condition: `task.completed_on IS NULL AND task.id ${sign} :id`, values: { id } };
    return newest ? [rest] : [rest, ended];
  }
  const later = {
    condition: `(task.completed_on, task.id) ${sign} (:completedOn, :id)`,
    values: { completedOn, id },
  };
  return newest ? [later, never] : [later];
}
