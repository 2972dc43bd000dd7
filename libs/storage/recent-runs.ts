import { IsNull, Not, type DataSource } from 'typeorm';
import { TaskRow } from './entities/task.entity.js';

/** Analyses that stand for the next ones. */
const RECENT = 20;

/** Mean seconds that the analyses which ended last took; null when there were none. */
export async function recentRunSeconds(db: DataSource): Promise<number | null> {
  const rows = await db.manager.find(TaskRow, {
    select: { id: true, startedOn: true, completedOn: true },
    where: { completedOn: Not(IsNull()) },
    order: { completedOn: { direction: 'DESC', nulls: 'LAST' }, id: 'DESC' },
    take: RECENT,
  });
  const seconds = rows.flatMap(({ startedOn, completedOn }) =>
    startedOn && completedOn ? [Math.max(0, completedOn.getTime() - startedOn.getTime()) / 1000] : [],
  );
  return seconds.length === 0 ? null : seconds.reduce((sum, one) => sum + one, 0) / seconds.length;
}
