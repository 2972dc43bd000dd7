import type { DataSource } from 'typeorm';
import { utcText } from '#storage/columns.js';
import { PUBLIC_STATUSES, publicStatus, type DistState, type PublicStatus } from './task.js';

export type Counts = Record<PublicStatus, number>;
/** Those of priority 1 and 2 by themselves, and those that were submitted today. */
export type CountsOf = Record<'all' | 'prio1' | 'prio2' | 'today' | 'today1' | 'today2', Counts>;

const DAY_MS = 24 * 60 * 60 * 1000;

interface Counted {
  readonly status: PublicStatus;
  readonly priority: number;
  readonly isToday: boolean;
  readonly n: number;
}

/**
 * Kept by triggers: as cheap with a million tasks as with none. They count by days of UTC; what was submitted between
 * `midnight`, where today began, and the next midnight of UTC is counted one by one.
 */
export async function taskCounts(db: DataSource, midnight: Date): Promise<CountsOf> {
  const utcMidnight = new Date(Math.ceil(midnight.getTime() / DAY_MS) * DAY_MS);
  const [kept, first] = await Promise.all([
    keptCounts(db, utcMidnight),
    countBetween(db, midnight, utcMidnight),
  ]);
  const today = [...kept.filter(({ isToday }) => isToday), ...first];
  const of = (rows: readonly Counted[], priority: number) => rows.filter((row) => row.priority === priority);
  return {
    ...{ all: sum(kept), prio1: sum(of(kept, 1)), prio2: sum(of(kept, 2)) },
    ...{ today: sum(today), today1: sum(of(today, 1)), today2: sum(of(today, 2)) },
  };
}

async function keptCounts(db: DataSource, today: Date): Promise<Counted[]> {
  const rows = await db.query<
    { status: PublicStatus; priority: number; today: number; n: number | string }[]
  >(
    `SELECT status, priority, CASE WHEN day >= '${utcText(today).slice(0, 10)}' THEN 1 ELSE 0 END AS today, SUM(n) AS n
     FROM dist_counts GROUP BY 1, 2, 3`,
  );
  return rows.map(({ status, priority, today: is, n }) => ({
    status,
    priority,
    isToday: is === 1,
    n: Number(n),
  }));
}

async function countBetween(db: DataSource, since: Date, until: Date): Promise<Counted[]> {
  if (since >= until) return [];
  const rows = await db.query<
    { state: DistState; pinned: boolean | number; priority: number; n: number | string }[]
  >(
    `SELECT state, pinned, priority, COUNT(*) AS n FROM dist_tasks
     WHERE submitted_on >= '${utcText(since)}' AND submitted_on < '${utcText(until)}' GROUP BY 1, 2, 3`,
  );
  return rows.map(({ state, pinned, priority, n }) => {
    return { status: publicStatus(state, Boolean(pinned)), priority, isToday: true, n: Number(n) };
  });
}

function sum(rows: readonly Counted[]): Counts {
  const counts = Object.fromEntries(PUBLIC_STATUSES.map((status) => [status, 0])) as Counts;
  for (const { status, n } of rows) counts[status] += n;
  return counts;
}
