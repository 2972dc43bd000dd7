import { expect, test } from '@jest/globals';
import { asksInVain, unused } from './field.js';

test.each([
  ['5', '5', false],
  ['5', '9', true],
  ['5', '1', true],
  ['1', '2', true],
  ['0', '7', true],
  ['no', 'off', false],
  ['no', '0', false],
  ['no', 'yes', true],
  ['yes', '1', false],
  ['yes', 'TRUE', false],
  ['', 'anything', true],
])('a key without effect that comes as %j and is set to %j: is that told of? %j', (shipped, value, told) => {
  expect(asksInVain(unused(shipped, 'nothing does.'), value)).toBe(told);
});
