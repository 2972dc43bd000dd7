import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isKnown, rangeHolds, readRange } from './range.js';

describe('what a Range header asks of 10 bytes', () => {
  test.each([
    ['bytes=0-0', { first: 0, last: 0 }],
    ['bytes=2-5', { first: 2, last: 5 }],
    ['bytes=4-', { first: 4, last: 9 }],
    ['bytes=-3', { first: 7, last: 9 }],
    ['bytes=-99', { first: 0, last: 9 }],
    ['bytes=9-99999999999999999999999', { first: 9, last: 9 }],
    ['Bytes=2-5', { first: 2, last: 5 }],
    ['bytes=10-', 'beyond'],
    ['bytes=10-12', 'beyond'],
    ['bytes=-0', 'beyond'],
    ['bytes=0-1,4-5', null],
    ['bytes=5-2', null],
    ['bytes=-', null],
    ['bytes=a-b', null],
    ['bytes=1-2-3', null],
    ['bytes=+1-2', null],
    ['lines=0-1', null],
    ['bytes 0-1', null],
    ['', null],
    [undefined, null],
  ])('%j', (header, expected) => {
    expect(readRange(header, 10)).toEqual(expected);
  });

  test('of nothing, only the whole can be had', () => {
    expect(readRange('bytes=0-', 0)).toBe('beyond');
    expect(readRange('bytes=-5', 0)).toBeNull();
  });

  test('whatever is asked, what is answered lies inside', () => {
    const number = fc.oneof(fc.nat(50).map(String), fc.constant(''), fc.string());
    fc.assert(
      fc.property(number, number, fc.nat(40), (first, last, size) => {
        const range = readRange(`bytes=${first}-${last}`, size);
        if (range === null || range === 'beyond') return;
        expect(range.first).toBeGreaterThanOrEqual(0);
        expect(range.last).toBeGreaterThanOrEqual(range.first);
        expect(range.last).toBeLessThan(size);
      }),
    );
  });
});

test('If-Range holds for the same tag, and for exactly the same time', () => {
  const now = { etag: '"a"', modified: new Date('2020-01-02T03:04:05.678Z') };
  expect(rangeHolds(undefined, now)).toBe(true);
  expect(rangeHolds('"a"', now)).toBe(true);
  expect(rangeHolds('W/"a"', now)).toBe(false);
  expect(rangeHolds('"b"', now)).toBe(false);
  expect(rangeHolds('Thu, 02 Jan 2020 03:04:05 GMT', now)).toBe(true);
  expect(rangeHolds('Thu, 02 Jan 2020 03:04:06 GMT', now)).toBe(false);
});

test('If-None-Match is a list of tags, weak or not, or anything', () => {
  for (const header of ['"a"', 'W/"a"', '"b", "a"', '*']) expect(isKnown(header, '"a"')).toBe(true);
  for (const header of [undefined, '', '"b"', 'a']) expect(isKnown(header, '"a"')).toBe(false);
});
