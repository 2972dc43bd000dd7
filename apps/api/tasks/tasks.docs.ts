import { z } from 'zod';
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
  answers: {
    200: done(),
    404: refused('Task not found'),
    500: refused('The task is currently being processed, cannot delete'),
  },
};
