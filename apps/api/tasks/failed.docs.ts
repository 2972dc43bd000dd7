import { z } from 'zod';
import { json, refused } from '../openapi/answers.js';
import { anyForm } from '../openapi/forms.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';
import { failedTask, retriedTask, retriedTasks } from './failed-schema.js';

const outcome = z.string().meta({ description: 'Ended so.', examples: ['vm_start_failed'] });

export const listFailed: Operation = {
  tag: 'Tasks',
  summary: 'Tasks that ended without a report, newest first',
  query: {
    outcome,
    since: z.number().meta({ description: 'Ended later: Unix seconds.', examples: [1_772_442_000] }),
    limit: z
      .int()
      .min(0)
      .meta({ description: '100 unless given, at most 1000.', examples: [100] }),
    cursor: z.string().describe('The `next_cursor` of the page before.'),
  },
  answers: {
    200: json(
      z.object({
        tasks: z.array(failedTask),
        next_cursor: z
          .string()
          .nullable()
          .meta({ description: '`null` on the last page.', examples: [null] }),
      }),
    ),
    400: refused('"since" must be Unix seconds'),
  },
};

export const retryTask: Operation = {
  tag: 'Tasks',
  summary: 'Tries a task that failed once more',
  text:
    'A `failed_analysis` runs again as a new task that asks for the same; it becomes `recovered`. Of the others the ' +
    'report is made again.',
  path: { id: taskId },
  answers: {
    200: json(retriedTask),
    404: refused('Task not found', 'The stored sample is gone: submit the file again'),
    409: refused('The task is reported: only one that failed can be retried'),
  },
};

const fields = z.object({
  ids: z
    .string()
    .optional()
    .meta({ description: 'Separated by commas, in JSON also a list.', examples: ['1,2'] }),
  outcome: outcome.optional(),
  all: z.boolean().optional().describe('Every task that failed, but those that were cancelled.'),
  limit: z
    .int()
    .optional()
    .meta({ description: 'Tasks looked at in one go: 100 unless given, at most 500.', examples: [100] }),
  cursor: z.string().optional().describe('The `next_cursor` of the answer before.'),
});

export const retryTasks: Operation = {
  tag: 'Tasks',
  summary: 'Tries many tasks that failed once more, oldest first',
  text: 'Those of `ids`, those of one `outcome`, or `all`.',
  form: anyForm(fields),
  answers: {
    200: json(retriedTasks),
    400: refused('Say which: "ids", "outcome", or "all"'),
  },
};
