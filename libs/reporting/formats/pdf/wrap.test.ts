import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { wrap } from './wrap.js';

const one = (): number => 1;

test.each([
  ['', 10, ['']],
  ['one two three', 7, ['one two', 'three']],
  ['one two three', 3, ['one', 'two', 'thr', 'ee']],
  ['abcdefgh', 3, ['abc', 'def', 'gh']],
  ['a  b', 2, ['a ', 'b']],
  ['abc', 0.5, ['a', 'b', 'c']],
  ['exactly ten', 11, ['exactly ten']],
])('%j in %d columns', (text, width, lines) => {
  expect(wrap(text, width, one)).toEqual(lines);
});

test('nothing is lost but the space a line ends at, and no line is too wide', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'W', ' '), maxLength: 200 });
  const widthOf = (char: string): number => (char === 'W' ? 3 : 1);
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 20 }), (value, width) => {
      const lines = wrap(value, width, widthOf);
      let rest = value;
      lines.forEach((line, i) => {
        expect(rest.startsWith(line)).toBe(true);
        rest = rest.slice(line.length);
        if (i < lines.length - 1 && rest.startsWith(' ')) rest = rest.slice(1);
        const used = Array.from(line, widthOf).reduce((sum, each) => sum + each, 0);
        expect(used <= width || line.length === 1).toBe(true);
      });
      expect(rest).toBe('');
    }),
  );
});
