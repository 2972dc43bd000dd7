import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { defaultMachineCount } from './sizing.js';

test.each([
  ['a laptop', { memoryMb: 12_000, cores: 8, guestMb: 512 }, 4],
  ['two cores', { memoryMb: 24_000, cores: 2, guestMb: 512 }, 4],
  ['one core', { memoryMb: 24_000, cores: 1, guestMb: 512 }, 2],
  ['a small VM', { memoryMb: 2_500, cores: 4, guestMb: 512 }, 2],
  ['hardly any memory', { memoryMb: 300, cores: 4, guestMb: 512 }, 1],
])('%s', (_what, host, count) => {
  expect(defaultMachineCount(host)).toBe(count);
});

test('always 1 to 4, and never more for less', () => {
  const host = fc.record({
    memoryMb: fc.nat(200_000),
    cores: fc.integer({ min: 1, max: 256 }),
    guestMb: fc.integer({ min: 64, max: 16_384 }),
  });
  fc.assert(
    fc.property(host, (given) => {
      const count = defaultMachineCount(given);
      expect(count).toBeGreaterThanOrEqual(1);
      expect(count).toBeLessThanOrEqual(4);
      expect(defaultMachineCount({ ...given, memoryMb: given.memoryMb / 2 })).toBeLessThanOrEqual(count);
    }),
  );
});
