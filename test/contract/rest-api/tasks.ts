import { expect } from '@jest/globals';
import { PLAIN_DATE } from '../../support/api-client.js';
import { SENTENCE, type Row } from './row.js';

const DATE: unknown = expect.stringMatching(PLAIN_DATE);
const TASK_MISSING = { status: 404, json: { message: 'Task not found' } } as const;

/** rest-api.md §3.4–§3.8, §3.12, §3.13, and what is ours. */
export const TASKS: readonly Row[] = [
  { says: '§3.4 a limit of 0 lists nothing', ask: 'GET /tasks/list/0', status: 200, json: { tasks: [] } },
  {
    says: '§3.4 an offset past the end lists nothing',
    ask: 'GET /tasks/list/10/1000000',
    status: 200,
    json: { tasks: [] },
  },
  {
    says: '§3.4 an unknown status lists nothing',
    ask: 'GET /tasks/list?status=nonsense',
    status: 200,
    json: { tasks: [] },
  },
  {
    says: '§3.4 completed_after that is no number is 400',
    ask: 'GET /tasks/list?completed_after=yesterday',
    status: 400,
    json: { message: SENTENCE },
  },
  {
    says: '§3.4 completed_after in the future lists nothing',
    ask: 'GET /tasks/list?completed_after=4102444800',
    status: 200,
    json: { tasks: [] },
  },
  {
    says: '§3.4 an unknown owner lists nothing',
    ask: 'GET /tasks/list?owner=nobody',
    status: 200,
    json: { tasks: [] },
  },
  {
    says: '§3.4 a limit that is no number does not match the route',
    ask: 'GET /tasks/list/ten',
    status: 404,
    json: { message: 'Not found' },
  },
  {
    says: '§3.4 a negative limit does not match the route',
    ask: 'GET /tasks/list/-1',
    status: 404,
    json: { message: 'Not found' },
  },
  {
    says: '§3.4 ids=1 shrinks the elements',
    given: 'reported',
    ask: 'GET /tasks/list?ids=1&status=reported',
    status: 200,
    has: { tasks: expect.arrayContaining([{ id: expect.any(Number), completed_on: DATE }]) },
  },
  {
    says: '§3.5 an unknown sample has no tasks',
    ask: 'GET /tasks/sample/999999',
    status: 200,
    json: { tasks: [] },
  },
  {
    says: '§3.5 the tasks of a sample',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    then: [{ ask: 'GET /tasks/sample/{sample_id}', status: 200, text: /"sample_id":\d+/ }],
  },
  { says: '§3.6 an unknown id', ask: 'GET /tasks/view/999999', ...TASK_MISSING },

  {
    says: '§3.7 reschedule answers with the new id; the old task is recovered',
    given: 'failed',
    ask: 'GET /tasks/reschedule/{id}',
    status: 200,
    json: { status: 'OK', task_id: expect.any(Number) },
    then: [
      { ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { status: 'pending' } } },
      { ask: 'GET /tasks/view/{id}', status: 200 },
    ],
  },
  {
    says: '§3.7 reschedule with a priority',
    given: 'reported',
    ask: 'GET /tasks/reschedule/{id}/7',
    status: 200,
    then: [{ ask: 'GET /tasks/view/{task_id}', status: 200, has: { task: { priority: 7 } } }],
  },
  { says: '§3.7 reschedule of a URL task', given: 'url', ask: 'GET /tasks/reschedule/{id}', status: 200 },
  {
    says: '§3.7 reschedule of an unknown id',
    ask: 'GET /tasks/reschedule/999999',
    status: 404,
    json: { message: 'There is no analysis with the specified ID' },
  },
  {
    says: '§3.7 a running task is not rescheduled',
    given: 'running',
    ask: 'GET /tasks/reschedule/{id}',
    status: 409,
    json: { message: SENTENCE },
  },

  {
    says: '§3.8 delete answers exactly {"status": "OK"}, and the task is gone',
    given: 'reported',
    ask: 'GET /tasks/delete/{id}',
    status: 200,
    json: { status: 'OK' },
    then: [
      { ask: 'GET /tasks/view/{id}', ...TASK_MISSING },
      { ask: 'GET /tasks/report/{id}', status: 404, json: { message: 'Report not found' } },
    ],
  },
  {
    says: '§3.8 the sample stays when its task is deleted',
    given: 'pending',
    ask: 'GET /tasks/view/{id}',
    status: 200,
    then: [
      { ask: 'GET /tasks/delete/{id}', status: 200 },
      { ask: 'GET /files/view/sha256/{sha256}', status: 200 },
      { ask: 'GET /files/get/{sha256}', status: 200 },
    ],
  },
  {
    says: '§3.8 a running task is not deleted, with the sentence that clients compare',
    given: 'running',
    ask: 'GET /tasks/delete/{id}',
    status: 500,
    json: { message: 'The task is currently being processed, cannot delete' },
  },
  {
    says: 'delete with a status takes back what has it, and only that',
    given: 'reported',
    ask: 'GET /tasks/delete/{id}?status=pending',
    status: 409,
    json: { message: 'The task is reported, not "pending": it was not deleted' },
    then: [{ ask: 'GET /tasks/delete/{id}?status=reported', status: 200 }],
  },
  { says: '§3.8 delete of an unknown id', ask: 'GET /tasks/delete/999999', ...TASK_MISSING },

  {
    says: '§3.12 rereport of a reported task',
    given: 'reported',
    ask: 'GET /tasks/rereport/{id}',
    status: 200,
    json: { success: true },
    then: [{ ask: 'GET /tasks/view/{id}', status: 200, has: { task: { status: 'completed' } } }],
  },
  {
    says: '§3.12 rereport of any other',
    given: 'pending',
    ask: 'GET /tasks/rereport/{id}',
    status: 200,
    json: { success: false },
  },
  { says: '§3.12 rereport of an unknown id', ask: 'GET /tasks/rereport/999999', ...TASK_MISSING },
  {
    says: '§3.13 reboot adds a task of the package reboot',
    given: 'reported',
    ask: 'GET /tasks/reboot/{id}',
    status: 200,
    keys: ['', ['task_id', 'reboot_id']],
    then: [
      {
        ask: 'GET /tasks/view/{reboot_id}',
        status: 200,
        has: { task: { package: 'reboot', custom: expect.stringMatching(/^\d+$/) } },
      },
    ],
  },
  {
    says: '§3.13 reboot of an unknown id',
    ask: 'GET /tasks/reboot/999999',
    status: 404,
    json: { message: 'Error creating reboot task' },
  },

  {
    says: 'ours: cancel of a pending task',
    given: 'pending',
    ask: 'POST /tasks/cancel/{id}',
    status: 200,
    json: { status: 'OK' },
    then: [
      {
        ask: 'GET /tasks/view/{id}',
        status: 200,
        has: { task: { status: 'failed_analysis', errors: [expect.stringContaining('CANCELLED')] } },
      },
    ],
  },
  {
    says: 'ours: cancel of a running task',
    given: 'running',
    ask: 'POST /tasks/cancel/{id}',
    status: 200,
    then: [{ ask: 'GET /tasks/view/{id}', status: 200, has: { task: { status: 'failed_analysis' } } }],
  },
  {
    says: 'ours: cancel of a task that has ended',
    given: 'reported',
    ask: 'POST /tasks/cancel/{id}',
    status: 409,
    json: { message: SENTENCE },
  },
  { says: 'ours: cancel of an unknown id', ask: 'POST /tasks/cancel/999999', ...TASK_MISSING },
  {
    says: 'ours: explain says why a task is pending',
    given: 'pending',
    ask: 'GET /tasks/explain/{id}',
    status: 200,
    keys: [
      '',
      [
        ...['task_id', 'status', 'reason', 'message', 'lane', 'ahead', 'position', 'machines', 'estimate'],
        ...['attempts', 'outcome', 'last_error'],
      ],
    ],
  },
  {
    says: 'ours: explain of a task that has ended',
    given: 'reported',
    ask: 'GET /tasks/explain/{id}',
    status: 200,
    has: { status: 'reported', position: null },
  },
  { says: 'ours: explain of an unknown id', ask: 'GET /tasks/explain/999999', ...TASK_MISSING },
  {
    says: 'ours: pages by cursor',
    given: 'pending',
    ask: 'GET /tasks/list?cursor=&limit=1',
    status: 200,
    keys: ['', ['tasks', 'next_cursor']],
    then: [
      {
        ask: 'GET /tasks/list?cursor={next_cursor}&limit=1',
        status: 200,
        keys: ['', ['tasks', 'next_cursor']],
      },
    ],
  },
  {
    says: 'ours: a cursor that is none is 400',
    ask: 'GET /tasks/list?cursor=nonsense',
    status: 400,
    json: { message: SENTENCE },
  },
  {
    says: 'ours: limit and offset as queries',
    given: 'pending',
    ask: 'GET /tasks/list?limit=1&offset=0',
    status: 200,
    keys: ['', ['tasks']],
  },
  {
    says: 'ours: wait of no number is 400',
    given: 'pending',
    ask: 'GET /tasks/view/{id}?wait=soon',
    status: 400,
    json: { message: SENTENCE },
  },
];
