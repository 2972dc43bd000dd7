import { expect, test } from '@jest/globals';
import { words } from './processes.js';

test.each([
  ["sh -c 'a b' c", ['sh', '-c', 'a b', 'c']],
  ["echo 'it'\\''s'", ['echo', "it's"]],
  ["x '' y", ['x', '', 'y']],
  ["open 'never closed", ['open', 'never closed']],
  ['  a \t b\n', ['a', 'b']],
  ['', []],
])('reads %j as a shell would', (line, expected) => {
  expect(words(line)).toEqual(expected);
});
