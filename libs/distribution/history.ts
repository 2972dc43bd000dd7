import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { dateOf, utcText } from '#storage/columns.js';
import { ON_NODE } from './task.js';

/** From `since` on, up to but not with `until`. */
export interface Span {
  readonly since: Date;
  readonly until: Date;
}

/** Parts of a date that are counted together: up to its minute, or its hour, in UTC. */
export type Grain = 'minute' | 'hour';

/** Tasks by the start of the minute or hour, in milliseconds, in which it happened. */
export type Counts = ReadonlyMap<number, number>;

const LIVE = ['pending', ...ON_NODE].map((state) => `'${state}'`).join();
const COMPLETED = 'completed_on IS NOT NULL';
const DROPPED = `state = 'deleted' AND completed_on IS NULL`;
const QUEUED = `state IN (${LIVE}) AND completed_on IS NULL`;

/** Spans that one statement asks for: it may answer a status, which is as large as a node likes, for each. */
const SPANS_AT_ONCE = 50;

/**
 * What was, for GET /stats. A task that was deleted before its end is taken for one that never was: nobody knows since
 * when it waits no more.
 */
export class History {
  constructor(private readonly db: DataSource) {}

  /** Tasks that ended, well or badly; those that were deleted since are among them. */
  async completed(span: Span, grain: Grain): Promise<Counts> {
    return this.#counts([{ column: 'completed_on', n: 'COUNT(*)', where: COMPLETED }], span, grain);
  }

  async submitted(span: Span, grain: Grain): Promise<Counts> {
    const parts = [
      { column: 'submitted_on', n: 'COUNT(*)', where: '1 = 1' },
      { column: 'submitted_on', n: '-COUNT(*)', where: DROPPED },
    ];
    return this.#counts(parts, span, grain);
  }

  /** Tasks that had been submitted, and had not ended, at a time in the past. */
  async uncompletedAt(time: Date): Promise<number> {
    const at = utcText(time);
    const rows = await this.db.query<{ n: string | number }[]>(
      `SELECT (SELECT COUNT(*) FROM dist_tasks WHERE ${QUEUED})
            - (SELECT COUNT(*) FROM dist_tasks WHERE submitted_on >= '${at}')
            + (SELECT COUNT(*) FROM dist_tasks WHERE ${DROPPED} AND submitted_on >= '${at}')
            + (SELECT COUNT(*) FROM dist_tasks WHERE ${COMPLETED} AND completed_on >= '${at}') AS n`,
    );
    return Number(rows[0]?.n);
  }

  /** Tasks that have not ended now, of those submitted before `time`, by their priority. */
  async queued(time: Date): Promise<Readonly<Record<string, number>>> {
    const rows = await this.db.query<{ priority: number; n: string | number }[]>(
      `SELECT priority, COUNT(*) AS n FROM dist_tasks
       WHERE ${QUEUED} AND submitted_on < '${utcText(time)}' GROUP BY priority`,
    );
    return Object.fromEntries(rows.map(({ priority, n }) => [String(priority), Number(n)]));
  }

  /** What a node last said of itself in each of these spans; null where it said nothing. */
  async *statuses(nodeId: number, spans: readonly Span[]): AsyncIterable<unknown> {
    for (let at = 0; at < spans.length; at += SPANS_AT_ONCE) {
      const some = spans.slice(at, at + SPANS_AT_ONCE);
      const values = some.map(
        ({ since, until }, index) => `(${index}, '${utcText(since)}', '${utcText(until)}')`,
      );
      const rows = await this.db.query<{ status: string | null }[]>(
        `WITH spans(k, since, until) AS (VALUES ${values.join()})
         SELECT (SELECT status FROM node_statuses
                 WHERE node_id = ${nodeId} AND timestamp >= since AND timestamp < until
                 ORDER BY timestamp DESC LIMIT 1) AS status
         FROM spans ORDER BY k`,
      );
      for (const { status } of rows) yield status === null ? null : (JSON.parse(status) as unknown);
    }
  }

  async #counts(
    parts: readonly { readonly column: string; readonly n: string; readonly where: string }[],
    span: Span,
    grain: Grain,
  ): Promise<Counts> {
    const length = grain === 'hour' ? 'YYYY-MM-DD HH'.length : 'YYYY-MM-DD HH:MM'.length;
    const ofHour = grain === 'hour' ? ':00:00' : ':00';
    const counts = new Map<number, number>();
    for (const day of daysOf(span)) {
      const selects = parts.map(
        ({ column, n, where }) =>
          `SELECT substr(${column}, 1, ${length}) AS start, ${n} AS n FROM dist_tasks
           WHERE ${where} AND ${column} >= '${utcText(day.since)}' AND ${column} < '${utcText(day.until)}' GROUP BY 1`,
      );
      const rows = await this.db.query<{ start: string; n: string | number }[]>(
        `SELECT start, SUM(n) AS n FROM (${selects.join(' UNION ALL ')}) AS parts GROUP BY start`,
      );
      for (const { start, n } of rows) counts.set(dateOf(`${start}${ofHour}`).getTime(), Number(n));
      await nextTurn(); // SQLite counts while everybody waits: others must get a turn between the days
    }
    return counts;
  }
}

const DAY_MS = 24 * 60 * 60 * 1000;

function* daysOf({ since, until }: Span): Generator<Span> {
  for (let from = since; from < until;) {
    const midnight = new Date((Math.floor(from.getTime() / DAY_MS) + 1) * DAY_MS);
    const to = midnight < until ? midnight : until;
    yield { since: from, until: to };
    from = to;
  }
}
