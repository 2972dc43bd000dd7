import { z } from 'zod';
import { json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';
import { REASONS } from './explain.js';
import { taskStatus } from './task-schema.js';

const explanation = z
  .object({
    task_id: z.int(),
    status: taskStatus,
    reason: z.enum(REASONS).describe('For programs.'),
    message: z.string().describe('For people.'),
    lane: z.string().nullable().describe('Where it waits.'),
    ahead: z.int().nullable().describe('Tasks of its lane that are taken before it.'),
    position: z.int().nullable().describe('From 1.'),
    machines: z
      .object({ matching: z.int(), free: z.int() })
      .describe('Those that could run it, and how many of them are not in use.'),
    estimate: z.object({ start_in_seconds: z.int() }).nullable(),
    outcome: z.string().nullable().describe('How its last run ended; `null` until one did.'),
    attempts: z.int().describe('Runs that were begun.'),
    last_error: z.string().nullable().describe('The last of its `errors`.'),
  })
  .meta({
    id: 'Explanation',
    description: '`lane`, `ahead`, `position` and `estimate` are `null` when it does not wait for its turn.',
    examples: [
      {
        task_id: 1,
        status: 'pending',
        reason: 'ahead_in_lane',
        message: '2 tasks are ahead of it in its lane.',
        lane: 'any',
        ahead: 2,
        position: 3,
        machines: { matching: 4, free: 0 },
        estimate: { start_in_seconds: 42 },
        outcome: null,
        attempts: 0,
        last_error: null,
      },
    ],
  });

export type ExplanationView = z.infer<typeof explanation>;

export const explainTask: Operation = {
  tag: 'Tasks',
  summary: 'Why a task is where it is',
  path: { id: taskId },
  answers: { 200: json(explanation), 404: refused('Task not found') },
};
