import { z } from 'zod';
import { FAILED } from '#storage/failed-tasks.js';
import { date } from './task-schema.js';

export const failedTask = z
  .object({
    id: z.int(),
    status: z.enum(FAILED),
    outcome: z.string().nullable().describe('How its last run ended.'),
    reason: z.string().nullable().describe('The last of its errors.'),
    attempts: z.int().describe('Runs that were begun.'),
    machines: z.array(z.string()).describe('Those it ran on.'),
    completed_on: date.nullable(),
    target: z.string(),
    owner: z.string().nullable(),
  })
  .meta({
    id: 'FailedTask',
    examples: [
      {
        id: 1,
        status: 'failed_analysis',
        outcome: 'vm_start_failed',
        reason:
          'linux2: snapshot "clean" did not load [MACHINE_START_FAILED] Read the reason in the message.',
        attempts: 3,
        machines: ['linux1', 'linux2'],
        completed_on: '2026-03-02 09:15:12',
        target: 'http://example.com/invoice',
        owner: null,
      },
    ],
  });

export const retriedTask = z
  .object({
    retried_id: z.int().describe('The one that had failed.'),
    task_id: z.int().describe('The one that goes on: a new one, or the same whose report is made again.'),
  })
  .meta({ id: 'RetriedTask', examples: [{ retried_id: 1, task_id: 2 }] });

export const retriedTasks = z
  .object({
    retried: z.array(retriedTask),
    task_ids: z.array(z.int()).describe('Those that go on.'),
    refused: z.array(z.object({ task_id: z.int(), message: z.string() })),
    next_cursor: z.string().nullable().describe('Send it to go on with the rest; `null`: there is none.'),
  })
  .meta({
    id: 'RetriedTasks',
    examples: [
      {
        retried: [{ retried_id: 1, task_id: 2 }],
        task_ids: [2],
        refused: [{ task_id: 3, message: 'The task is reported: only one that failed can be retried' }],
        next_cursor: null,
      },
    ],
  });

export type FailedTaskView = z.infer<typeof failedTask>;
export type RetriedTask = z.infer<typeof retriedTask>;
export type RetriedTasks = z.infer<typeof retriedTasks>;
