import { z } from 'zod';
import { json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';

export const rescheduleTask: Operation = {
  tag: 'Tasks',
  summary: 'A new task in the place of an old one',
  text: 'It asks for the same; the old one becomes `recovered`.',
  path: {
    id: taskId,
    priority: z
      .int()
      .min(0)
      .meta({ description: 'Of the new one; else as before.', examples: [2] }),
  },
  answers: {
    200: json(z.object({ status: z.literal('OK'), task_id: z.int().meta({ examples: [2] }) })),
    404: refused('There is no analysis with the specified ID'),
    409: refused(
      'The task is running: cancel it first, or wait for its end',
      'The task has been rescheduled already',
    ),
    500: refused('An error occurred while trying to reschedule the task'),
  },
};

export const rereportTask: Operation = {
  tag: 'Tasks',
  summary: 'Makes the report again from what is stored',
  text: '`success` is false for a task that is not `reported`.',
  path: { id: taskId },
  answers: {
    200: json(z.object({ success: z.boolean().meta({ examples: [true] }) })),
    404: refused('Task not found'),
  },
};

export const rebootTask: Operation = {
  tag: 'Tasks',
  summary: 'A task that goes on where an earlier one left its machine',
  path: { id: taskId },
  answers: {
    200: json(
      z.object({
        task_id: z.int().meta({ description: 'The earlier one.', examples: [1] }),
        reboot_id: z.int().meta({ description: 'The new one.', examples: [2] }),
      }),
    ),
    404: refused('Error creating reboot task'),
  },
};
