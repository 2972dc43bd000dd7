import { plainDate } from '#domain/plain-date.js';

/** Minutes of a step, and how many steps there are. */
export const PERIODS = {
  hour: { step: 5, times: 12 },
  day: { step: 15, times: 96 },
  week: { step: 60, times: 168 },
  month: { step: 1440, times: 28 },
} as const;
export type Period = keyof typeof PERIODS;

export const MINUTE_MS = 60_000;

/**
 * A step of a fixed grid: `number` × `step` minutes after 1970 it ends. What is past is asked for once, whenever the
 * periods that are asked for end.
 */
export interface Cell {
  readonly number: number;
  /** Minutes. */
  readonly step: number;
}

export interface Place {
  /** Stamped at the end of its step. */
  readonly at: Date;
  /** What is shown for it. */
  readonly cell: Cell;
}

export interface Info {
  readonly start: string;
  readonly finish: string;
  /** Minutes. */
  readonly step_size: number;
  readonly max_points: number;
}

export function infoOf(period: Period, end: Date): Info {
  const { step, times } = PERIODS[period];
  return {
    start: plainDate(new Date(end.getTime() - step * times * MINUTE_MS)),
    finish: plainDate(end),
    step_size: step,
    max_points: times,
  };
}

/** Where points of a period that ends at `end`, a whole minute, are; none for what has not begun at `now`. */
export function placesOf(period: Period, end: Date, now: Date): readonly Place[] {
  const { step, times } = PERIODS[period];
  const places = Array.from({ length: times }, (_, index): Place => {
    const at = new Date(end.getTime() - (times - 1 - index) * step * MINUTE_MS);
    return { at, cell: { step, number: Math.ceil(at.getTime() / (step * MINUTE_MS)) } };
  });
  return places.filter(({ cell }) => startOf(cell) < now);
}

export function startOf({ number, step }: Cell): Date {
  return new Date((number - 1) * step * MINUTE_MS);
}

export function endOf({ number, step }: Cell): Date {
  return new Date(number * step * MINUTE_MS);
}
