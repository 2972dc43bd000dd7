import { expect, test } from '@jest/globals';
import { boundLanes, type LaneDepth } from './lanes.js';

const lane = (name: string, waiting: number, oldestMs: number | null = waiting): LaneDepth => ({
  lane: name,
  waiting,
  oldestMs,
});

test('the hundred fullest lanes are shown, the others as one', () => {
  const all = Array.from({ length: 150 }, (_, n) => lane(`lane ${n}`, n + 1, n % 2 === 0 ? n : null));
  const shown = boundLanes(all);
  expect(shown).toHaveLength(101);
  expect(shown[0]).toEqual(lane('lane 149', 150, null));
  expect(shown.at(-1)).toEqual(lane('other', (50 * 51) / 2, 48));
  expect(shown.reduce((sum, { waiting }) => sum + waiting, 0)).toBe((150 * 151) / 2);
});

test('names that look the same once they are safe to show are one', () => {
  const long = 'x'.repeat(120);
  const shown = boundLanes([
    ...[lane('a\u0000', 1), lane('a\u202e', 2, 50), lane('a\ud800', 3, null)],
    ...[lane(`${long}1`, 5), lane(`${long}2`, 6)],
    ...[lane('other', 1)],
  ]);
  expect(shown).toContainEqual(lane('a\ufffd', 6, 50));
  expect(shown).toContainEqual(lane(long, 11, 6));
  expect(shown).toContainEqual(lane('other', 1));
  expect(shown).toHaveLength(3);
});

test('a pair of surrogates that the limit cuts is no broken text', () => {
  const [shown] = boundLanes([lane(`${'x'.repeat(119)}😀`, 1)]);
  expect(shown?.lane).toBe(`${'x'.repeat(119)}\ufffd`);
});
