import { PERIODS, type Period } from './periods.js';

export const STATISTICS = [
  'task_completed',
  'task_uncompleted',
  'vm_running',
  'disk_usage',
  'cpu_usage',
  'memory_usage',
  'amount_prio_queued',
  'active_processes',
] as const;
export type Statistic = (typeof STATISTICS)[number];

export interface StatsQuery {
  /** End of every period, a whole minute. */
  readonly end: Date;
  readonly statistics: readonly Statistic[];
  readonly periods: readonly Period[];
  /** Names; null: every enabled node. */
  readonly nodes: readonly string[] | null;
}

/** What was asked for is not there; the sentence is Cuckoo 2.0.7's. */
export class StatsError extends Error {}

export interface Asked {
  readonly date?: string | undefined;
  readonly time?: string | undefined;
  readonly query: Readonly<Record<string, unknown>>;
}

/** @throws StatsError */
export function readStatsQuery({ date, time, query }: Asked, now: Date): StatsQuery {
  return {
    end: timeOf(time, date === undefined ? minuteOf(now) : dayOf(date)),
    statistics: keys(query['include'], STATISTICS, 'statistics'),
    periods: keys(query['period'], Object.keys(PERIODS) as Period[], 'period'),
    nodes: wordsOf(query['nodes']),
  };
}

function minuteOf(now: Date): Date {
  const minute = new Date(now);
  minute.setSeconds(0, 0);
  return minute;
}

/** Its first moment, in this server's time zone; as Cuckoo reads dates, without a zero before the number of a month or day, too. */
function dayOf(text: string): Date {
  const [year = 0, month = 0, day = 0] = numbers(/^(\d{4})-(\d{1,2})-(\d{1,2})$/, text);
  const date = new Date(year, month - 1, day);
  if (year === 0 || date.getMonth() !== month - 1 || date.getDate() !== day || date.getFullYear() !== year)
    throw new StatsError('Given date does not match format YYYY-MM-DD');
  return date;
}

function timeOf(text: string | undefined, day: Date): Date {
  if (text === undefined) return day;
  const [hours = 24, minutes = 60] = numbers(/^(\d{1,2}):(\d{1,2})$/, text);
  if (hours > 23 || minutes > 59) throw new StatsError('Given time does not match format HH:MM');
  const time = new Date(day);
  time.setHours(hours, minutes);
  return time;
}

function numbers(pattern: RegExp, text: string): number[] {
  return (pattern.exec(text) ?? []).slice(1).map(Number);
}

/** All of them when none is named. */
function keys<T extends string>(value: unknown, known: readonly T[], what: string): readonly T[] {
  const words = wordsOf(value);
  if (words === null) return known;
  const named = words.map((word) => {
    const key = known.find((one) => one === word);
    if (key === undefined) throw new StatsError(`Unknown ${what} key '${word}'`);
    return key;
  });
  return [...new Set(named)];
}

/** Of a comma list; null when there is none. */
function wordsOf(value: unknown): readonly string[] | null {
  const text = Array.isArray(value) ? value.join() : value;
  return typeof text === 'string' && text !== '' ? text.split(',') : null;
}
