import { done, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';

export const cancelTask: Operation = {
  tag: 'Tasks',
  summary: 'Ends a task that waits or runs',
  text: 'It becomes `failed_analysis`, with `[CANCELLED]` in its errors; a machine that runs it is powered off.',
  path: { id: taskId },
  answers: {
    200: done(),
    404: refused('Task not found'),
    409: refused(
      'The task has already ended: it is reported',
      'The analysis is done; only its report is still to be written',
    ),
  },
};
