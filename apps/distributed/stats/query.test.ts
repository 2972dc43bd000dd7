import { expect, test } from '@jest/globals';
import { plainDate } from '#domain/plain-date.js';
import { infoOf, PERIODS, placesOf, startOf, type Period } from './periods.js';
import { readStatsQuery, STATISTICS, StatsError } from './query.js';

const now = new Date(2017, 7, 16, 13, 42, 31);
const read = (date?: string, time?: string, query: Record<string, unknown> = {}) =>
  readStatsQuery({ date, time, query }, now);
const endOf = (date?: string, time?: string) => plainDate(read(date, time).end);
const saying = (message: string) => expect.objectContaining({ constructor: StatsError, message });

test('without a date everything ends at the last whole minute, with one at its first moment or the time given', () => {
  expect(endOf()).toBe('2017-08-16 13:42:00');
  expect(endOf('2017-8-6')).toBe('2017-08-06 00:00:00');
  expect(endOf('2017-08-16', '9:05')).toBe('2017-08-16 09:05:00');
});

test('dates and times that are none are refused in the words of Cuckoo 2.0.7', () => {
  for (const date of [
    '',
    'today',
    '2017-13-01',
    '2017-2-30',
    '17-08-16',
    '2017-08-16x',
    '2017/08/16',
    '0000-1-1',
  ])
    expect(() => read(date)).toThrow(saying('Given date does not match format YYYY-MM-DD'));
  for (const time of ['', '24:00', '13:60', '1340', '13:40:00', '-1:00'])
    expect(() => read('2017-8-16', time)).toThrow(saying('Given time does not match format HH:MM'));
});

test('what is asked for is chosen by name, everything when nothing is named, a name that is none refused', () => {
  const all = Object.keys(PERIODS);
  expect(read()).toMatchObject({ statistics: STATISTICS, periods: all, nodes: null });
  const query = { include: 'cpu_usage,task_completed,cpu_usage', period: 'week', nodes: 'a,b' };
  expect(read(undefined, undefined, query)).toMatchObject({
    statistics: ['cpu_usage', 'task_completed'],
    periods: ['week'],
    nodes: ['a', 'b'],
  });
  expect(() => read(undefined, undefined, { include: 'nope' })).toThrow(
    saying(`Unknown statistics key 'nope'`),
  );
  expect(() => read(undefined, undefined, { period: 'hour,' })).toThrow(saying(`Unknown period key ''`));
});

test('points are stamped at the end of each step, the last one at the end of the period', () => {
  const end = new Date(2017, 7, 16, 13, 40);
  const stamps = (period: Period) => placesOf(period, end, now).map(({ at }) => plainDate(at));
  expect(stamps('hour')).toHaveLength(12);
  expect(stamps('hour').slice(-2)).toEqual(['2017-08-16 13:35:00', '2017-08-16 13:40:00']);
  expect(stamps('day')[0]).toBe('2017-08-15 13:55:00');
  expect(infoOf('week', end)).toEqual({
    start: '2017-08-09 13:40:00',
    finish: '2017-08-16 13:40:00',
    step_size: 60,
    max_points: 168,
  });
});

test('steps are of a grid that stays, and what has not begun has no point', () => {
  const starts = (end: Date) => placesOf('hour', end, now).map(({ cell }) => startOf(cell).getTime());
  const aligned = starts(new Date(2017, 7, 16, 13, 40));
  expect(starts(new Date(2017, 7, 16, 13, 36))).toEqual(aligned);
  expect(placesOf('hour', new Date(2017, 7, 16, 14, 20), now)).toHaveLength(5);
  expect(placesOf('month', new Date(2030, 1, 1), now)).toEqual([]);
});
