import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { SignatureMatch } from '#domain/report.js';
import { describeTechniques, TECHNIQUES, type TechniqueId } from './attack.js';
import { score } from './score.js';

const technique = fc.constantFrom(...([...TECHNIQUES.keys()] as TechniqueId[]));
const match: fc.Arbitrary<SignatureMatch> = fc.record({
  name: fc.string({ minLength: 1, maxLength: 5 }),
  description: fc.constant(''),
  severity: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const, 5 as const),
  families: fc.oneof(fc.constant([]), fc.array(fc.constantFrom('mirai', 'xorddos'), { maxLength: 1 })),
  references: fc.constant([]),
  ttp: fc.array(technique, { maxLength: 2 }).map(describeTechniques),
  marks: fc.constant([]),
  markcount: fc.constant(1),
});
const matches = fc.array(match, { maxLength: 30 });

const one = (name: string, severity: SignatureMatch['severity'], id: TechniqueId): SignatureMatch => ({
  name,
  description: '',
  severity,
  families: [],
  references: [],
  ttp: describeTechniques([id]),
  marks: [],
  markcount: 1,
});

test('is between 0 and 10 and the sum of its parts, bounded', () => {
  fc.assert(
    fc.property(matches, (list) => {
      const { value, parts } = score(list);
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(10);
      expect(value).toBeCloseTo(
        Math.min(
          10,
          parts.reduce((sum, part) => sum + part.points, 0),
        ),
        9,
      );
      expect(parts).toHaveLength(list.length);
    }),
  );
});

test('never falls when something more is seen', () => {
  fc.assert(fc.property(matches, match, (list, more) => score([...list, more]).value >= score(list).value));
});

test('does not depend on the order', () => {
  fc.assert(
    fc.property(
      fc
        .uniqueArray(match, { selector: ({ name }) => name })
        .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => expect(score(shuffled)).toEqual(score(list)),
    ),
  );
});

test('ten variants of one thing are not ten things', () => {
  const same = Array.from({ length: 10 }, (_, i) => one(`v${i}`, 3, 'T1053.003'));
  expect(score(same).value).toBeCloseTo(4.2);
  expect(score([one('a', 3, 'T1053.003'), one('b', 3, 'T1105'), one('c', 3, 'T1070.004')]).value).toBeCloseTo(
    7.2,
  );
});

test.each([
  [[], 0, 'no sign of malice'],
  [[one('a', 1, 'T1071.001')], 0.4, 'no sign of malice'],
  [[one('a', 2, 'T1071.001')], 1.2, 'no sign of malice'],
  [[one('a', 3, 'T1071.001')], 2.4, 'suspicious'],
  [[one('a', 4, 'T1071.001')], 4.8, 'likely malicious'],
  [[one('a', 5, 'T1071.001')], 8, 'malicious'],
] as const)('%j', (list, value, label) => {
  expect(score(list)).toMatchObject({ value, label });
});
