import { expect, test } from '@jest/globals';
import { formatBytes, formatSeconds, shortDate } from './humane.js';

test('bytes have at most three digits', () => {
  expect([0, 1023, 1024, 9999, 83_843_706_880, 2 ** 50].map(formatBytes)).toEqual([
    '0 bytes',
    '1023 bytes',
    '1.0 KB',
    '9.8 KB',
    '78 GB',
    '1024 TB',
  ]);
});

test('seconds are told in the two units that matter', () => {
  expect([0, 59.4, 60, 125, 3600, 12_000].map(formatSeconds)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '2 min 5 s',
    '1 h',
    '3 h 20 min',
  ]);
});

test('a date is as short as its distance allows, and text that is none stays', () => {
  const now = new Date(2026, 10, 27, 12, 0, 0);
  expect(
    [
      '2026-11-27 09:46:40',
      '2026-11-26 09:46:40',
      '2026-01-27 09:46:40',
      '2025-11-27 09:46:40',
      'yesterday',
      '2026-13-01 00:00:00',
    ].map((text) => shortDate(text, now)),
  ).toEqual(['09:46:40', '26 Nov 09:46', '27 Jan 09:46', '27 Nov 2025', 'yesterday', '2026-13-01 00:00:00']);
});
