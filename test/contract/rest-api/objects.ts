import { expect } from '@jest/globals';
import { PLAIN_DATE } from '../../support/api-client.js';
import type { Row } from './row.js';

const DATE: unknown = expect.stringMatching(PLAIN_DATE);
const TASK_KEYS = [
  ...['category', 'machine', 'errors', 'target', 'package', 'sample_id', 'guest', 'custom', 'priority'],
  ...['platform', 'options', 'status', 'enforce_timeout', 'timeout', 'memory', 'tags', 'id', 'added_on'],
  ...[
    'completed_on',
    'owner',
    'clock',
    'started_on',
    'submit_id',
    'processing',
    'route',
    'duration',
    'sample',
  ],
];

/** rest-api.md §2: objects. */
export const OBJECTS: readonly Row[] = [
  {
    says: '§2.1 a task has exactly these keys',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    keys: ['task', TASK_KEYS],
  },
  {
    says: '§2.1 a pending task: what is null, and what is not',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    has: {
      task: {
        ...{
          added_on: DATE,
          clock: DATE,
          started_on: null,
          completed_on: null,
          duration: -1,
          guest: {},
          errors: [],
        },
        ...{ route: null, processing: null, submit_id: null },
      },
    },
  },
  {
    says: '§2.1 a completed task has its dates in the plain format',
    given: 'completed',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    has: { task: { started_on: DATE, completed_on: DATE, duration: expect.any(Number) } },
  },
  {
    says: '§2.1 a URL task has no sample',
    given: 'url',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    has: { task: { sample_id: null, sample: {} } },
  },
  ...(['pending', 'running', 'completed', 'reported'] as const).map((state): Row => ({
    says: `§2.2 status ${state}`,
    given: state,
    ask: 'GET /tasks/view/{id}',
    status: 200,
    has: { task: { status: state } },
  })),
  {
    says: '§2.2 a failed analysis',
    given: 'failed',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    has: { task: { status: 'failed_analysis' } },
  },
  {
    says: '§2.4 a sample has its hashes: crc32 in upper case, the others in lower',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    keys: [
      'task.sample',
      ['id', 'file_size', 'file_type', 'md5', 'crc32', 'sha1', 'sha256', 'sha512', 'ssdeep'],
    ],
    has: {
      task: {
        sample: {
          crc32: expect.stringMatching(/^[0-9A-F]{8}$/),
          sha512: expect.stringMatching(/^[0-9a-f]{128}$/),
        },
      },
    },
  },
];
