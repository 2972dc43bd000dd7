import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Requirements } from './machine.js';
import { laneOf, OPEN_LANE, wantsOf } from './lanes.js';

/** Names as hostile clients write them: what separates the parts of a lane, of a Redis key and of an entry. */
const name = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      '|',
      ';',
      '=',
      ',',
      '%',
      ':',
      '\0',
      '\n',
      '{',
      '}',
      '*',
      ' ',
      'é',
      '漢',
      '🦜',
      'any',
    ),
    maxLength: 8,
  }),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('any', 'machine=x', 'tags=a,b', '%7C', ''),
);
const orNull = fc.option(name, { nil: null });
const wants: fc.Arbitrary<Requirements> = fc.record({
  ...{ machine: fc.option(name, { nil: null, freq: 1 }), platform: orNull, arch: orNull },
  tags: fc.array(name, { maxLength: 4 }),
});

/** What counts of what was asked for: a machine that is named wins, and tags are a set. */
function meaning({ machine, platform, arch, tags }: Requirements): Requirements {
  if (machine !== null) return { machine, platform: null, arch: null, tags: [] };
  return { machine, platform, arch, tags: [...new Set(tags)].sort() };
}

test('a lane says all that was asked for, in a name that is safe as a part of a key and of an entry', () => {
  fc.assert(
    fc.property(wants, (asked) => {
      const lane = laneOf(asked);
      expect(wantsOf(lane)).toEqual(meaning(asked));
      expect(laneOf(wantsOf(lane))).toBe(lane);
      expect(lane).toMatch(/^[\w.~!*'()%;=,-]+$/);
    }),
    { numRuns: 1000 },
  );
});

test('tasks share a lane when, and only when, they ask for the same', () => {
  fc.assert(
    fc.property(wants, wants, (a, b) => {
      const same = JSON.stringify(meaning(a)) === JSON.stringify(meaning(b));
      expect(laneOf(a) === laneOf(b)).toBe(same);
    }),
    { numRuns: 1000 },
  );
});

test('who asks for nothing is in the open lane', () => {
  expect(laneOf({ machine: null, platform: null, arch: null, tags: [] })).toBe(OPEN_LANE);
  expect(wantsOf(OPEN_LANE)).toEqual({ machine: null, platform: null, arch: null, tags: [] });
});

test('half a character has no encoding, and does no harm', () => {
  const lane = laneOf({ machine: null, platform: 'a\ud800', arch: null, tags: [] });
  expect(wantsOf(lane).platform).toBe('a\ufffd');
});
