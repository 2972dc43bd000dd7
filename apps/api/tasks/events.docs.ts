import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import { refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { taskId } from '../openapi/parameters.js';
import { taskStatus } from './task-schema.js';

const EXAMPLE = `retry: 3000

id: 1772442845120-0
event: status
data: {"kind":"status","task":1,"status":"running","at":"2026-03-02T09:14:05.120Z","machine":"linux1"}

id: 1772442845182-0
event: phase
data: {"kind":"phase","task":1,"phase":"start","ms":62.1,"at":"2026-03-02T09:14:05.182Z"}
`;

const KINDS =
  '`kind` is `status`, `phase` (it has ended, and took `ms`) or `deleted`; `missed` when events after the one named are ' +
  'not kept any more: then look at the tasks.';

const eventId = z.string().meta({
  description: 'The last event that the client has: it gets what came after.',
  examples: ['1772442845120-0'],
});

const stream: ZodOpenApiResponseObject = {
  description: 'It goes on for as long as something may happen.',
  content: { 'text/event-stream': { schema: { type: 'string' }, example: EXAMPLE } },
};
const badId = refused('Last-Event-ID must be the id of an event, such as 1700000000000-0');
const after = { query: { last_event_id: eventId }, headers: { 'Last-Event-ID': eventId } };

export const streamAll: Operation = {
  tag: 'Events',
  summary: 'What happens to all tasks, as server-sent events',
  text: `From now on, or after the event that is named. ${KINDS}`,
  ...after,
  query: { ...after.query, status: taskStatus },
  answers: { 200: stream, 400: badId },
};

export const streamOne: Operation = {
  tag: 'Events',
  summary: 'What happens to a task, as server-sent events',
  text: `The phases so far and the status now, then each change, until the task has ended. ${KINDS}`,
  path: { id: taskId },
  ...after,
  answers: {
    200: stream,
    204: { description: 'The task has ended, and the client has it all.' },
    400: badId,
    404: refused('Task not found'),
  },
};
