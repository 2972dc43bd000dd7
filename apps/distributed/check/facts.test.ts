import { expect, test } from '@jest/globals';
import { compareMachines } from './compare-machines.js';
import { clock, diskSpace, paceOf } from './facts.js';

const GIB = 1024 ** 3;

test.each([
  [{ diskspace: { analyses: { free: 100 * GIB, total: 200 * GIB, used: 0 } } }, 'ok', '100.0 GiB'],
  [{ diskspace: { analyses: { free: 2 * GIB, total: 200 * GIB, used: 0 } } }, 'warn', '2.0 GiB'],
  [{ error: false, data: { server: { storage: { free: 1, total: 9, used: 8 } } } }, 'warn', '1.0 GiB'],
  [{ server: { storage: { free: 50, total: 90 } } }, 'ok', '50.0 GiB'],
])('disk space of %j', (raw, status, found) => {
  expect(diskSpace({ raw })).toMatchObject({ status, found: expect.stringContaining(found) });
});

test('a node that says nothing of its disk, or nonsense, is not judged by it', () => {
  expect(diskSpace({ raw: {} })).toBeNull();
  expect(diskSpace({ raw: { diskspace: { analyses: null } } })).toBeNull();
});

test('the pace is that of the middle call', () => {
  expect(paceOf([10, 12, 11, 900, 9])).toMatchObject({
    status: 'ok',
    found: '5 calls, 11 ms each, the slowest 900 ms: 90 a second, one after another',
  });
  expect(paceOf([9000, 2500, 2400, 10, 3000])).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('2500 ms each'),
    fix: expect.stringContaining('overloaded'),
  });
});

test('clocks that agree, that do not, and none', () => {
  const now = Date.parse('2026-01-01T12:00:00Z');
  const of = (date: string | undefined) => clock({ headers: { date }, ms: 10 }, now);
  expect(of('Thu, 01 Jan 2026 12:00:20 GMT').status).toBe('ok');
  expect(of('Thu, 01 Jan 2026 12:03:20 GMT')).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('ahead of'),
    fix: expect.stringContaining('timedatectl'),
  });
  expect(of('Thu, 01 Jan 2026 11:00:00 GMT').found).toContain('3599 s behind');
  expect(of(undefined).status).toBe('skipped');
  expect(of('tomorrow').status).toBe('skipped');
});

test('machines are compared by name and platform, in any order', () => {
  const a = { name: 'a', platform: 'linux', tags: ['x', 'y'] };
  const b = { name: 'b', platform: 'windows', tags: [] };
  expect(compareMachines('n1', [a, b], [b, { ...a, tags: ['y', 'x'] }])).toMatchObject({
    status: 'ok',
    found: '2 machines, as the node has them',
  });
  const changed = compareMachines(
    'n1',
    [a, b],
    [
      { ...a, tags: [] },
      { ...b, name: 'c' },
    ],
  );
  expect(changed).toEqual({
    status: 'warn',
    found: 'the node has changed since it was looked at: new: "c"; gone: "b"; with other tags: "a"',
    fix: 'malkoha node refresh n1',
  });
});

test('of many new machines a few are named', () => {
  const many = Array.from({ length: 40 }, (_, i) => ({ name: `m${i}`, platform: 'linux', tags: [] }));
  expect(compareMachines('n1', [], many).found).toMatch(/"m4" and 35 more$/);
});
