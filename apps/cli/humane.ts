const KIB = 1024;
const UNITS = ['KB', 'MB', 'GB', 'TB'];

/** `812 bytes`, `9.5 KB`, `78 GB`: 1024 bytes to a KB. */
export function formatBytes(bytes: number): string {
  if (bytes < KIB) return `${bytes} bytes`;
  const power = Math.min(UNITS.length, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / KIB ** power;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${UNITS[power - 1] ?? ''}`;
}

/** `42 s`, `2 min 5 s`, `3 h 20 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [large, small] =
    whole < 3600
      ? [`${Math.floor(whole / 60)} min`, `${whole % 60} s`]
      : [`${Math.floor(whole / 3600)} h`, `${Math.floor((whole % 3600) / 60)} min`];
  return small.startsWith('0 ') ? large : `${large} ${small}`;
}

export function formatMs(ms: number): string {
  return ms < 10_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * `09:46:40` of today, `27 Nov 09:46` of this year, else `27 Nov 2025`. The API writes `YYYY-MM-DD HH:MM:SS` in its own time
 * zone and does not say which: the text is shortened, never converted, and no age is made of it. Any other text stays.
 */
export function shortDate(text: string, now: Date): string {
  const [, year = '', month = '', day = '', minutes = '', seconds = ''] =
    /^(\d{4})-(\d\d)-(\d\d) (\d\d:\d\d)(:\d\d)$/.exec(text) ?? [];
  const name = MONTHS[Number(month) - 1];
  if (name === undefined) return text;
  if (Number(year) !== now.getFullYear()) return `${Number(day)} ${name} ${year}`;
  const today = Number(month) === now.getMonth() + 1 && Number(day) === now.getDate();
  return today ? `${minutes}${seconds}` : `${Number(day)} ${name} ${minutes}`;
}

/** `09:46:40` here, of an ISO 8601 instant; other text gives now. */
export function clockTime(instant: string | undefined): string {
  const date = new Date(instant ?? NaN);
  return (Number.isNaN(date.getTime()) ? new Date() : date).toTimeString().slice(0, 8);
}

/** A date of an answer in ISO 8601, as shortDate writes it, here; other text stays. */
export function shortInstant(instant: string, now: Date): string {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return instant;
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return shortDate(`${day} ${date.toTimeString().slice(0, 8)}`, now);
}
