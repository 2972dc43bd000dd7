import { expect, test } from '@jest/globals';
import { Breaker } from './breaker.js';

/** A breaker after so many failures in a row, and its clock. */
function after(failures: number) {
  const clock = { now: 0 };
  const breaker = new Breaker(() => clock.now);
  for (let n = 0; n < failures; n++) breaker.failed('linux1: the disk is full');
  return { breaker, clock };
}

test('four failures in a row stop nobody, nor do any number with a success between them', () => {
  const { breaker } = after(4);
  expect(breaker.blocks(0)).toBeNull();
  for (let n = 0; n < 20; n++) {
    breaker.succeeded();
    breaker.failed('x');
    expect(breaker.blocks(3)).toBeNull();
  }
});

test('the fifth stops the host, and says of what', () => {
  expect(after(5).breaker.blocks(0)).toBe(
    'the last 5 analyses failed for reasons of this host (linux1: the disk is full)',
  );
});

test('those that ran beside it and failed too make the pause no longer', () => {
  const { breaker, clock } = after(20);
  clock.now = 5_000;
  expect(breaker.blocks(0)).toBeNull();
});

test('after a pause one task tries, and no second one beside it', () => {
  const { breaker, clock } = after(5);
  clock.now = 4_999;
  expect(breaker.blocks(0)).not.toBeNull();
  clock.now = 5_000;
  expect(breaker.blocks(0)).toBeNull();
  expect(breaker.blocks(1)).not.toBeNull();
});

test('when it works the host takes as many as before; when it fails the pause is twice as long, up to five minutes', () => {
  const { breaker, clock } = after(5);
  clock.now = 5_000;
  breaker.succeeded();
  expect(breaker.blocks(7)).toBeNull();

  const failing = after(5);
  failing.clock.now = 5_000;
  const pauses: number[] = [];
  for (let pause = 10_000; pauses.length < 8; pause *= 2) {
    failing.breaker.failed('again');
    const begun = failing.clock.now;
    while (failing.breaker.blocks(0) !== null) failing.clock.now += 1_000;
    pauses.push(failing.clock.now - begun);
  }
  expect(pauses).toEqual([10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1_000));
});
