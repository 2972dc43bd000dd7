import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cpuTime } from '../../../test/support/cpu-time.js';
import { parseRegex } from './parse.js';
import { PatternSet } from './set.js';

const occurs = (pattern: string, subject: string): boolean =>
  new PatternSet([parseRegex(pattern)]).matches(subject, Infinity).length === 1;

const unit = fc.constantFrom('a', 'b', '_', '-', '.', ' ', '\n', 'é', '7', 'A');
const atom = fc.constantFrom(
  'a',
  'b',
  '.',
  '\\w',
  '\\W',
  '\\s',
  '\\d',
  '[ab]',
  '[^a]',
  '[a-z.-]',
  '\\b',
  '\\B',
  '^',
  '$',
  '\\.',
  '\\x41',
);

const pattern: fc.Arbitrary<string> = fc.letrec<{ tree: string; leaf: string }>((tie) => ({
  leaf: atom,
  tree: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(?:${a}|${b})`),
    fc
      .tuple(tie('tree'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}', '*?'))
      .map(([a, times]) => `(${a})${times}`),
  ),
})).tree;

test('agrees with the regular expressions of JavaScript', () => {
  fc.assert(
    fc.property(pattern, fc.array(unit, { maxLength: 12 }), (source, units) => {
      const subject = units.join('');
      expect(occurs(source, subject)).toBe(new RegExp(source).test(subject));
    }),
    { numRuns: 3000 },
  );
});

test('finds every pattern of a set in one pass, each as if it were alone', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 6 }), fc.array(unit, { maxLength: 20 }), (sources, units) => {
      const subject = units.join('');
      const alone = sources.flatMap((source, i) => (occurs(source, subject) ? [i] : []));
      expect(new PatternSet(sources.map(parseRegex)).matches(subject, Infinity)).toEqual(alone);
    }),
    { numRuns: 500 },
  );
});

test('ignores ASCII case after (?i)', () => {
  expect(occurs('(?i)^StratuM[a-c]', 'sTRATUMB')).toBe(true);
  expect(occurs('(?i)[^a]', 'A')).toBe(false);
});

test('reads no further than the limit, and a cut text has no end', () => {
  const set = new PatternSet(['b', 'a$'].map(parseRegex));
  expect(set.matches('aaab', 3)).toEqual([]);
  expect(set.matches('aaa', 3)).toEqual([1]);
});

test.each(['(a+)+$', '(a|a)*$', '(.*)*x', 'curl.*\\|.*\\|.*sh', '(?:a?){64}a{64}'])(
  'reads a megabyte of hostile text in linear time: %s',
  (source) => {
    const set = new PatternSet([parseRegex(source)]);
    const elapsed = cpuTime();
    for (const hostile of ['a', 'curl|', '\0', '('])
      set.matches(hostile.repeat(1_000_000 / hostile.length) + '!', Infinity);
    expect(elapsed()).toBeLessThan(2000);
  },
);

test('stays correct when hostile text makes it throw its table away', () => {
  // After any unit, the state must remember which of the last 12 were an "a": 4096 states.
  const set = new PatternSet([parseRegex('a.{11}b')]);
  let seed = 1;
  const bits = Array.from({ length: 50_000 }, () => (seed = (seed * 48271) % 2147483647) % 2);
  const subject = bits.map((bit) => (bit === 1 ? 'a' : 'c')).join('');
  expect(set.matches(subject, Infinity)).toEqual([]);
  expect(set.matches(`${subject}a12345678901b`, Infinity)).toEqual([0]);
});

test.each([
  ['(a', 'a group is not closed'],
  ['a)', 'unexpected ")"'],
  ['(?=a)', 'look-around'],
  ['(a)\\1', 'back-references'],
  ['[a', 'not closed'],
  ['*a', 'must be escaped'],
  ['a{9,2}', 'in order'],
  ['a{9999}', 'at most 256'],
  ['\\p', 'unknown escape'],
  ['a\\', 'backslash'],
])('refuses %s and says why', (source, why) => {
  expect(() => parseRegex(source)).toThrow(why);
});

test('refuses a pattern that grows too large', () => {
  expect(() => new PatternSet([parseRegex('(?:(?:a{200}){200}){200}')])).toThrow('steps');
});
