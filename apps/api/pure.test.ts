import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mustBeSafe } from '../http/bind.js';
import { plainDate } from '#domain/plain-date.js';
import { parseClock } from '../http/dates.js';
import { baseName } from '../http/file-name.js';
import { normalizeUrl, parseCount, parseId } from '../http/paths.js';
import { RouteTable } from '../http/route-table.js';
import { boolean, readSubmission } from '../http/submission.js';

test.each([
  ['/tasks/list/', '/tasks/list'],
  ['//tasks///view/1', '/tasks/view/1'],
  ['/v1/cuckoo/status', '/cuckoo/status'],
  ['//v1//tasks/list//?a=//b/', '/tasks/list?a=//b/'],
  ['/', '/'],
  ['/v1', '/v1'],
  ['/v10/x', '/v10/x'],
  ['http://sandbox.lab:8090//tasks/list/', '/tasks/list'],
  ['http://sandbox.lab', '/'],
  ['/tasks/view/%zz?a=%zz', '/tasks/view/%25zz?a=%zz'],
  ['/files/view/md5/%ff', '/files/view/md5/%25ff'],
])('%s is %s', (url, normal) => {
  expect(normalizeUrl(url)).toBe(normal);
  expect(normalizeUrl(normal)).toBe(normal);
});

test('ids are decimal, or one in brackets; none beyond 32 bits exists', () => {
  expect(['1', '[7]', '007', '2147483647'].map(parseId)).toEqual([1, 7, 7, 2147483647]);
  expect(['2147483648', '9'.repeat(99)].map(parseId)).toEqual([0, 0]);
  expect(['', '-1', '1.5', '[1', '1]', '[1,2]', ' 1', '0x1', '1e3', '١'].map(parseId)).toEqual(
    Array(10).fill(null),
  );
  expect(['0', '12', 'x', '-1'].map(parseCount)).toEqual([0, 12, null, null]);
});

test('whatever a client calls its file, the name is one component that a file system takes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (sent) => {
      const name = baseName(sent);
      if (name === null) return;
      expect(name).not.toMatch(/[/\\\0]/);
      expect(['', '.', '..']).not.toContain(name);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    }),
  );
  expect(baseName(undefined)).toBeNull();
});

test('dates go out plain and come in as clients write them', () => {
  const date = new Date(2012, 11, 9, 4, 8, 5);
  expect(plainDate(date)).toBe('2012-12-09 04:08:05');
  expect(parseClock('12-09-2012 04:08:05')).toEqual(date);
  for (const wrong of [
    '',
    '2012-12-09 04:08:05',
    '13-09-2012 04:08:05',
    '02-30-2012 04:08:05',
    '12-09-2012 24:00:00',
  ]) {
    expect(parseClock(wrong)).toBeNull();
  }
});

test("booleans are Cuckoo's words in any case, or a number", () => {
  const value = (text: string) => boolean(new Map([['memory', text]]), 'memory');
  expect(['true', 'YES', '1', 'on', '2', '-1'].map(value)).toEqual(Array(6).fill(true));
  expect(['false', 'No', '0', 'OFF', 'None', '', '00'].map(value)).toEqual(Array(7).fill(false));
  expect(() => value('maybe')).toThrow();
});

test('no field makes a submission fail but with a 400 that names it', () => {
  const names = [
    'package',
    'timeout',
    'priority',
    'custom',
    'owner',
    'machine',
    'platform',
    'tags',
    'options',
    'memory',
    'clock',
  ];
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.string({ unit: 'binary', maxLength: 400 }), (name, value) => {
      try {
        const submission = readSubmission(new Map([[name, value]]), {
          category: 'url',
          target: 'x',
          submitter: null,
        });
        expect(Number.isSafeInteger(submission.timeout) && submission.timeout >= 0).toBe(true);
        expect(submission.options ?? '').not.toMatch(/[\r\n]/);
      } catch (error) {
        expect(error).toMatchObject({
          status: 400,
          response: { message: expect.stringContaining(`"${name}`) },
        });
      }
    }),
    { numRuns: 500 },
  );
});

test('off this host only with a token', async () => {
  const token = { name: 'siem', scopes: ['read'], sha256: '' } as const;
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost']) await mustBeSafe(host, []);
  await mustBeSafe('0.0.0.0', [token]);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '::ffff:10.0.0.1']) {
    await expect(mustBeSafe(host, [])).rejects.toMatchObject({
      code: 'CANNOT_LISTEN',
      message: expect.stringContaining('api_token'),
    });
  }
});

test('the route table knows the methods of a path', () => {
  const table = new RouteTable();
  table.add({ method: 'GET', url: '/tasks/view/:id', config: {} });
  table.add({ method: 'HEAD', url: '/tasks/view/:id', config: {} });
  table.add({ method: 'POST', url: '/tasks/create/file', config: {} });
  expect(table.methods('/v1/tasks/view/7/?wait=1')).toEqual(['GET', 'HEAD']);
  expect(table.methods('/tasks/create/file')).toEqual(['POST']);
  expect(table.methods('/tasks/view/7/8')).toEqual([]);
});
