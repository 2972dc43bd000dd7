import { z } from 'zod';
import { json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { sampleId } from '../openapi/parameters.js';
import { task, taskStatus } from './task-schema.js';

const limit = z
  .int()
  .min(0)
  .meta({ description: 'At most so many tasks.', examples: [10] });
const offset = z
  .int()
  .min(0)
  .meta({ description: 'Tasks to skip.', examples: [0] });

const onlyId = task.pick({ id: true, completed_on: true });

const query = {
  limit,
  offset,
  cursor: z
    .string()
    .describe(
      'Empty for the first page, then the `next_cursor` of the page before: as fast on the last page as on the first. ' +
        'A page has 100 tasks unless `limit` says otherwise, at most 1000.',
    ),
  status: taskStatus,
  owner: z.string(),
  completed_after: z.number().describe('Unix seconds; strictly later.'),
  ids: z.literal('1').describe('Only the id and the end of each task.'),
};

const tasks = json(
  z.object({
    tasks: z.array(z.union([task, onlyId])).describe('With `ids`, only these two keys of each.'),
    next_cursor: z
      .string()
      .nullable()
      .optional()
      .meta({ description: 'Only with `cursor`; `null` on the last page.', examples: ['MUA'] }),
  }),
);
const wrong = refused('"completed_after" must be Unix seconds');

export const listTasks: Operation = {
  tag: 'Tasks',
  summary: 'Tasks: unfinished ones first, then by completion',
  text: 'All of them, unless `limit` or `cursor` is given.',
  path: { limit, offset },
  query,
  answers: { 200: tasks, 400: wrong },
};

export const listTasksOfSample: Operation = {
  tag: 'Samples',
  summary: 'Tasks of one sample',
  text: 'Of a sample that does not exist there are none.',
  path: { id: sampleId },
  query,
  answers: { 200: tasks, 400: wrong },
};
