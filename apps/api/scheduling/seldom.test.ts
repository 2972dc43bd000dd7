import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { cached } from '../../http/shared.js';
import { Seldom } from './seldom.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('the first wish at once, all that come soon after together, and nothing when nobody asked', () => {
  let done = 0;
  const seldom = new Seldom(1_000, () => (done += 1));
  for (let at = 0; at < 5; at += 1) seldom.ask();
  expect(done).toBe(1);
  jest.advanceTimersByTime(1_000);
  expect(done).toBe(2);
  jest.advanceTimersByTime(10_000);
  expect(done).toBe(2);
  seldom.ask();
  expect(done).toBe(3);
  seldom.ask();
  seldom[Symbol.dispose]();
  jest.advanceTimersByTime(10_000);
  expect(done).toBe(3);
});

test('an answer is given again for its time; a failure is not', async () => {
  let asked = 0;
  const look = cached(1_000, async () => {
    asked += 1;
    if (asked === 1) throw new Error('the database is away');
    return asked;
  });
  await expect(look()).rejects.toThrow('away');
  expect(await look()).toBe(2);
  jest.advanceTimersByTime(999);
  expect(await look()).toBe(2);
  jest.advanceTimersByTime(1);
  expect(await look()).toBe(3);
});
