import { z } from 'zod';
import { TASK_STATUSES } from '#domain/task.js';
import { done, json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId, wait } from '../openapi/parameters.js';
import { task } from './task-schema.js';

export const viewTask: Operation = {
  tag: 'Tasks',
  summary: 'A task',
  text: 'With `wait` it is answered when the status changes, or after that time: ask in a loop instead of polling.',
  path: { id: taskId },
  query: { wait },
  answers: { 200: json(z.object({ task })), 404: refused('Task not found') },
};

export const deleteTask: Operation = {
  tag: 'Tasks',
  summary: 'Deletes a task and its analysis',
  text: 'The sample stays.',
  path: { id: taskId },
  query: {
    status: z.enum(TASK_STATUSES).meta({
      description: 'Delete it only while it has this status: `pending` takes back what has not begun to run.',
      examples: ['pending'],
    }),
  },
  answers: {
    200: done(),
    404: refused('Task not found'),
    409: refused('The task is running, not "pending": it was not deleted'),
    500: refused('The task is currently being processed, cannot delete'),
  },
};
