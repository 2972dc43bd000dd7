import { expect, test } from '@jest/globals';
import { DEEPEST, isDeep, parseJson } from './json.js';

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

test('JSON is read down to a depth, and no deeper', () => {
  expect(parseJson(nested(DEEPEST))).toBeInstanceOf(Array);
  expect(parseJson(nested(DEEPEST + 1))).toBeUndefined();
  expect(parseJson('{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000))).toBeUndefined();
  expect(parseJson('{"a": ')).toBeUndefined();
});

test('what stands side by side, or in a string, is not deep', () => {
  expect(isDeep('['.repeat(DEEPEST - 1) + '{},'.repeat(1000))).toBe(false);
  const brackets = `\\"${'['.repeat(100)}\\`;
  expect(parseJson(JSON.stringify({ brackets }))).toEqual({ brackets });
  expect(isDeep(`"\\\\"${nested(DEEPEST + 1)}`)).toBe(true);
});
