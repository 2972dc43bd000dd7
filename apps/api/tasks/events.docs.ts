import { refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';

const EXAMPLE = `event: status
data: {"kind":"status","task":1,"status":"running","at":"2026-03-02T09:14:05.120Z","machine":"linux1"}

event: phase
data: {"kind":"phase","task":1,"phase":"start","ms":62.1,"at":"2026-03-02T09:14:05.182Z"}
`;

export const taskEvents: Operation = {
  tag: 'Events',
  summary: 'What happens to a task, as server-sent events',
  text: 'The phases so far and the status now, then each change, until the task has ended.',
  path: { id: taskId },
  answers: {
    200: {
      description: 'OK',
      content: { 'text/event-stream': { schema: { type: 'string' }, example: EXAMPLE } },
    },
    404: refused('Task not found'),
  },
};
