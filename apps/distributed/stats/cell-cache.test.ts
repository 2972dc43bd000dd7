import { expect, test } from '@jest/globals';
import { CellCache } from './cell-cache.js';
import { endOf, MINUTE_MS, type Cell } from './periods.js';

const cell = (number: number): Cell => ({ step: 5, number });

test('what is past is asked for once, what goes on each time, what has just ended once more', async () => {
  const cache = new CellCache();
  const asked: number[][] = [];
  const look = (now: Date, ...numbers: number[]) =>
    cache.values('x', numbers.map(cell), now, async (missing) => {
      asked.push(missing.map(({ number }) => number));
      return missing.map(({ number }) => number * 10);
    });
  const now = new Date(endOf(cell(3)).getTime() + MINUTE_MS - 1);
  expect(await look(now, 1, 2, 3, 4)).toEqual([10, 20, 30, 40]);
  expect(await look(now, 1, 2, 3, 4)).toEqual([10, 20, 30, 40]);
  expect(await look(new Date(now.getTime() + 1), 3)).toEqual([30]);
  expect(await look(now, 2, 3)).toEqual([20, 30]);
  expect(asked).toEqual([[1, 2, 3, 4], [3, 4], [3]]);
});

test('it is bounded: what was not looked at for longest goes first, and nothing found is kept, too', async () => {
  const cache = new CellCache(2);
  const now = new Date(endOf(cell(9)).getTime());
  const asked: number[] = [];
  const look = (number: number) =>
    cache.values<number | null>('x', [cell(number)], now, async () => {
      asked.push(number);
      return [null];
    });
  for (const number of [1, 2, 1, 3, 1, 2]) expect(await look(number)).toEqual([null]);
  expect(asked).toEqual([1, 2, 3, 2]);
});
