import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { sampleReport } from '../../../test/support/report.js';
import { json, jsonFormat, jsonPieces } from './json.js';

// Other work on the machine may slow this down.
jest.setTimeout(60_000);

const text = (value: unknown): string => [...jsonPieces(value)].join('');

test('is what JSON.stringify would write, for anything a report can hold', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), (value) => {
      expect(text(value)).toBe(`${JSON.stringify(value, null, 4)}\n`);
    }),
  );
});

test('leaves out undefined members and writes what JSON has no word for as null', () => {
  expect(JSON.parse(text({ a: undefined, b: [undefined, NaN, Infinity], c: 1 }))).toEqual({
    b: [null, null, null],
    c: 1,
  });
});

test('a lone surrogate of the guest does not make the file invalid', () => {
  const bytes = Buffer.from(text({ path: '/tmp/\ud800' }), 'utf8');
  expect(new TextDecoder('utf-8', { fatal: true }).decode(bytes)).toContain('\\ud800');
});

test('a report comes back as it was, and the same bytes again', async () => {
  const report = await sampleReport();
  const pieces = [...(json.render(report, { screenshot: async () => null }) as Iterable<string>)];
  expect(JSON.parse(pieces.join(''))).toEqual(JSON.parse(JSON.stringify(report)));
  expect(text(report)).toBe(pieces.join(''));
});

test('reporting.conf may have it indented less, and without calls', async () => {
  const report = await sampleReport();
  const format = jsonFormat({ indent: 0, calls: false });
  const pieces = [...(format.render(report, { screenshot: async () => null }) as Iterable<string>)];
  expect(pieces.join('')).not.toMatch(/^ /m);
  const read = JSON.parse(pieces.join('')) as typeof report;
  expect(read.behavior?.processes.map(({ calls }) => calls.length)).toEqual(
    report.behavior?.processes.map(() => 0),
  );
  expect(report.behavior?.processes.some(({ calls }) => calls.length > 0)).toBe(true);
  expect({ ...read, behavior: null }).toEqual({
    ...(JSON.parse(JSON.stringify(report)) as object),
    behavior: null,
  });
});

test('a hundred thousand calls are written in small pieces', () => {
  const calls = Array.from({ length: 100_000 }, (_, i) => ({
    api: 'openat',
    arguments: { p0: 'AT_FDCWD', p1: `/x/${i}` },
  }));
  let largest = 0;
  let total = 0;
  for (const piece of jsonPieces({ calls })) {
    largest = Math.max(largest, piece.length);
    total += piece.length;
  }
  expect(total).toBeGreaterThan(10_000_000);
  expect(largest).toBeLessThan(70_000);
});

test('a chain of fifty thousand processes neither overflows the stack nor grows by the square', () => {
  let node: { pid: number; children: unknown[] } = { pid: 0, children: [] };
  for (let pid = 1; pid < 50_000; pid++) node = { pid, children: [node] };
  let total = 0;
  for (const piece of jsonPieces(node)) total += piece.length;
  expect(total).toBeLessThan(50_000 * 600);
});
