import { expect } from '@jest/globals';
import type { Row } from './row.js';

/** rest-api.md §8: what breaks at least one client that people still run. */
export const CLIENTS: readonly Row[] = [
  {
    says: '§8 archives are not chunked',
    given: 'reported',
    ask: 'GET /tasks/report/{id}/all?tar=gz',
    status: 200,
    header: { 'content-length': /^\d+$/, 'transfer-encoding': null },
  },
  {
    says: '§8 options are text or null, never an object',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    has: { task: { options: null } },
  },
  {
    says: '§8 task_ids goes together with /tasks/view/[N]',
    ask: 'POST /tasks/create/file',
    files: [['file', 'a', 'a']],
    status: 200,
    then: [
      { ask: 'GET /tasks/view/[{task_id}]', status: 200 },
      { ask: 'GET /tasks/report/[{task_id}]', status: 404, json: { message: 'Report not found' } },
    ],
  },
  {
    says: '§8 new URL("//tasks/x", base) takes tasks for a host: a doubled slash is one',
    given: 'pending',
    ask: 'GET //tasks//view//{id}//',
    status: 200,
  },
  {
    says: '§8 schedulers read disk space, load and memory',
    ask: 'GET /cuckoo/status',
    status: 200,
    has: { diskspace: { analyses: { free: expect.any(Number) } }, cpu_count: expect.any(Number) },
  },
];
