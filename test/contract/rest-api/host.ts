import { expect } from '@jest/globals';
import type { Row } from './row.js';

const SPACE = { free: expect.any(Number), total: expect.any(Number), used: expect.any(Number) };
const FILE_MISSING = { status: 404, json: { message: 'File not found' } } as const;

/** rest-api.md §3.14, §3.17, §3.18, §3.20, §3.21. */
export const HOST: readonly Row[] = [
  {
    says: '§3.14 a sample by id, md5, sha1 and sha256, with its tasks',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    then: [
      { ask: 'GET /files/view/id/{sample_id}', status: 200, has: { sample: { tasks: expect.any(Array) } } },
      { ask: 'GET /files/view/md5/{md5}', status: 200 },
      { ask: 'GET /files/view/sha1/{sha1}', status: 200 },
      { ask: 'GET /files/view/sha256/{sha256}', status: 200 },
    ],
  },
  {
    says: '§3.14 id 0 is no lookup',
    ask: 'GET /files/view/id/0',
    status: 400,
    json: { message: 'Invalid lookup term' },
  },
  {
    says: '§3.14 an unknown kind of lookup',
    ask: 'GET /files/view/foo/1',
    status: 400,
    json: { message: 'Invalid lookup term' },
  },
  { says: '§3.14 an unknown id', ask: 'GET /files/view/id/69000', ...FILE_MISSING },
  {
    says: '§3.14 text that is no md5',
    ask: 'GET /files/view/md5/zzz88655cfe3a8b2f5c7d0e6a1b4f9d2',
    ...FILE_MISSING,
  },
  {
    says: '§3.14 text that is no sha256',
    ask: `GET /files/view/sha256/zzz${'0'.repeat(61)}`,
    ...FILE_MISSING,
  },
  { says: '§3.17 machines', ask: 'GET /machines/list', status: 200, json: { machines: expect.any(Array) } },
  {
    says: '§3.17 an unknown machine',
    ask: 'GET /machines/view/none',
    status: 404,
    json: { message: 'Machine not found' },
  },
  {
    says: '§3.18 status: the keys of both',
    ask: 'GET /cuckoo/status',
    status: 200,
    keys: [
      '',
      [
        ...['version', 'protocol_version', 'hostname', 'tools', 'machines', 'tasks', 'diskspace', 'cpuload'],
        ...['cpu_count', 'memory', 'memavail', 'memtotal', 'processes'],
      ],
    ],
    has: {
      ...{
        protocol_version: 1,
        tools: ['vanilla'],
        cpuload: [expect.any(Number), expect.any(Number), expect.any(Number)],
      },
      diskspace: { analyses: SPACE, binaries: SPACE, temporary: SPACE },
    },
  },
  {
    says: '§3.18 status: counts by status',
    ask: 'GET /cuckoo/status',
    status: 200,
    keys: ['tasks', ['reported', 'running', 'total', 'completed', 'pending']],
  },
  {
    says: '§3.18 status: machines',
    ask: 'GET /cuckoo/status',
    status: 200,
    keys: ['machines', ['available', 'total']],
  },
  {
    says: '§3.20 vpn/status without a rooter',
    ask: 'GET /vpn/status',
    status: 500,
    json: { message: 'Rooter not available' },
  },
  {
    says: '§3.21 exit',
    ask: 'GET /exit',
    status: 403,
    json: { message: 'This call can only be used in debug mode' },
  },
];
