import { expect, test } from '@jest/globals';
import { Slots } from './slots.js';

const { signal } = new AbortController();

test('never more is under way than there are slots, and all of it gets done', async () => {
  const slots = new Slots(2);
  let underWay = 0;
  const seen: number[] = [];
  const work = async (): Promise<void> => {
    seen.push(++underWay);
    await new Promise(setImmediate);
    underWay--;
  };
  await Promise.all(Array.from({ length: 9 }, () => slots.run(work, signal)));
  expect(seen).toHaveLength(9);
  expect(Math.max(...seen)).toBe(2);
});

test('work that fails gives its slot back; who leaves while waiting takes none', async () => {
  const slots = new Slots(1);
  await expect(slots.run(() => Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  let release = (): void => {};
  const holding = slots.run(() => new Promise<void>((resolve) => (release = resolve)), signal);
  const gone = new AbortController();
  const waiting = slots.run(() => Promise.reject(new Error('it ran')), gone.signal);
  gone.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  release();
  await holding;
  expect(await slots.run(async () => 'done', signal)).toBe('done');
});
