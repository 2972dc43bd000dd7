import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { id, kind, list, name, printable, reasonOf } from './shape.js';

describe('a list', () => {
  const numbers = z.object({ all: list(z.int(), 3) });

  test('is read, or refused for what it is', () => {
    expect(numbers.parse({ all: [1, 2, 3] })).toEqual({ all: [1, 2, 3] });
    for (const none of [{}, { all: null }, { all: { length: 1 } }, { all: [1, 2, 3, 4] }])
      expect(numbers.safeParse(none).success).toBe(false);
  });

  test('is looked at no further than its first bad element', () => {
    let looked = 0;
    const counted = z.unknown().refine(() => (looked++, looked < 3), 'bad');
    const { error } = list(counted, 100_000).safeParse(Array(100_000).fill(1));
    expect(error?.issues).toMatchObject([{ path: [2], message: 'bad' }]);
    expect(looked).toBe(3);
  });

  test('says where the element is wrong', () => {
    const { error } = z.object({ all: list(z.object({ id }), 9) }).safeParse({ all: [{ id: 1 }, { id: 0 }] });
    expect(error?.issues[0]?.path).toEqual(['all', 1, 'id']);
  });
});

test('words are cleaned of what a terminal obeys and PostgreSQL refuses', () => {
  expect(printable('a\0\x1b[2Jb\x7f\x9b\u202ec\ud800d\r\ne \u{1f600}é')).toBe('a [2Jb c d e \u{1f600}é');
  expect(name.parse('win\0xp')).toBe('win xp');
});

test('what columns cannot hold is refused', () => {
  expect(id.safeParse(2_147_483_647).success).toBe(true);
  expect(id.safeParse(2_147_483_648).success).toBe(false);
  expect(kind.safeParse('x'.repeat(33)).success).toBe(false);
  expect(name.safeParse('x'.repeat(256)).success).toBe(false);
});

test('a reason is bounded and clean, whatever the errors are', () => {
  expect(reasonOf(['a\nb', 7, 'c'])).toBe('a b; c');
  expect(reasonOf(Array(200_000).fill('x'.repeat(5000)))).toHaveLength(2000);
  for (const none of [undefined, null, 'text', {}, [], [1], ['\0']]) expect(reasonOf(none)).toBeNull();
});
