import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canMove, formatOptions, parseOptions, TASK_STATUSES, TERMINAL } from './task.js';

test('options: items without = are dropped, keys and values trimmed, written sorted', () => {
  expect([...parseOptions(' b = 2 , a=1=x,junk, =y')]).toEqual([
    ['b', '2'],
    ['a', '1=x'],
  ]);
  expect(formatOptions(parseOptions('b=2,a=1'))).toBe('a=1,b=2');
  expect(formatOptions(new Map())).toBeNull();
});

test('what is written is read back', () => {
  const word = fc.stringMatching(/^[a-z0-9_.-]{1,12}$/);
  fc.assert(
    fc.property(fc.dictionary(word, word), (options) => {
      const map = new Map(Object.entries(options));
      expect(Object.fromEntries(parseOptions(formatOptions(map)))).toEqual(options);
    }),
  );
});

test('a terminal task runs again only through processing or as another task', () => {
  for (const from of TERMINAL) {
    const next = TASK_STATUSES.filter((to) => canMove(from, to));
    expect(next.filter((to) => to === 'pending' || to === 'running' || to === 'reported')).toEqual([]);
  }
});

test('every status can be reached from pending', () => {
  const reached = new Set(['pending']);
  for (let size = 0; size !== reached.size;) {
    size = reached.size;
    for (const to of TASK_STATUSES)
      if ([...reached].some((from) => canMove(from as 'pending', to))) reached.add(to);
  }
  expect([...reached].sort()).toEqual([...TASK_STATUSES].sort());
});
