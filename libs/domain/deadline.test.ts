import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { deadline } from './deadline.js';

const never = new AbortController().signal;

test('aborts when the time is over, even when the garbage collector was there', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  using limit = deadline(100, never);
  const aborted = once(limit.signal, 'abort');
  await sleep(10); // what a turn of the event loop has touched is not collected in it
  collect();
  expect(await Promise.race([aborted.then(() => 'aborted'), sleep(1_000, 'never fired')])).toBe('aborted');
  expect(limit.signal.reason).toMatchObject({ name: 'TimeoutError' });
});

test('aborts with the reason of the outer signal', () => {
  const outer = new AbortController();
  using limit = deadline(60_000, outer.signal);
  expect(limit.signal.aborted).toBe(false);
  outer.abort(new Error('cancelled'));
  expect(limit.signal.reason).toMatchObject({ message: 'cancelled' });
  using late = deadline(60_000, outer.signal);
  expect(late.signal.reason).toBe(outer.signal.reason);
});

test('aborts no more once disposed', async () => {
  const outer = new AbortController();
  const limit = deadline(10, outer.signal);
  limit[Symbol.dispose]();
  outer.abort();
  await sleep(30);
  expect(limit.signal.aborted).toBe(false);
});
