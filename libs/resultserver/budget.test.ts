import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Budget } from './budget.js';
import { DEFAULT_LIMITS } from './limits.js';

test('no order of streams stores more than its limit, or all of them more than the task may', () => {
  const chunk = fc.record({ stream: fc.nat(4), bytes: fc.nat(2000) });
  fc.assert(
    fc.property(
      fc.array(chunk),
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 1, max: 5000 }),
      (chunks, limit, totalBytes) => {
        const budget = new Budget({ ...DEFAULT_LIMITS, totalBytes });
        const stored = [0, 0, 0, 0, 0];
        for (const { stream, bytes } of chunks) {
          const before = stored[stream] ?? 0;
          const taken = budget.takeBytes(bytes, before, limit);
          expect(taken).toBeGreaterThanOrEqual(0);
          expect(taken).toBe(Math.min(bytes, limit - before, totalBytes - (budget.bytes - taken)));
          stored[stream] = before + taken;
        }
        expect(Math.max(...stored)).toBeLessThanOrEqual(limit);
        expect(budget.bytes).toBe(stored.reduce((sum, bytes) => sum + bytes));
        expect(budget.bytes).toBeLessThanOrEqual(totalBytes);
      },
    ),
  );
});

test('0 is no limit, as in cuckoo.conf', () => {
  const budget = new Budget({ ...DEFAULT_LIMITS, totalBytes: 0, files: 0 });
  expect(budget.takeBytes(1e15, 0, 0)).toBe(1e15);
  expect(budget.takeFile()).toBe(true);
});

test('files run out', () => {
  const budget = new Budget({ ...DEFAULT_LIMITS, files: 2 });
  expect([budget.takeFile(), budget.takeFile(), budget.takeFile()]).toEqual([true, true, false]);
  expect(budget.files).toBe(2);
});
