import { plainDate } from '#domain/plain-date.js';

export function plainDateOrNull(date: Date | null): string | null {
  return date && plainDate(date);
}

/** A submission's `clock`: `MM-DD-YYYY HH:MM:SS`, local time; null when it is not one. */
export function parseClock(text: string): Date | null {
  const parts = /^(\d{1,2})-(\d{1,2})-(\d{4}) (\d{1,2}):(\d{1,2}):(\d{1,2})$/
    .exec(text)
    ?.slice(1)
    .map(Number);
  if (!parts) return null;
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = parts;
  const date = new Date(year, month - 1, day, hour, minute, second);
  const same = date.getFullYear() === year && date.getMonth() === month - 1 && date.getDate() === day;
  return same && hour < 24 && minute < 60 && second < 60 ? date : null;
}
