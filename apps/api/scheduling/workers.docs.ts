import { z } from 'zod';
import { json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { schedulerStatus, worker } from './workers-schema.js';

export const listWorkers: Operation = {
  tag: 'Server',
  summary: 'Worker processes of the lab',
  answers: {
    200: json(
      z.object({
        version: z.string().meta({ description: "This API's.", examples: ['0.1.0'] }),
        workers: z.array(worker),
      }),
    ),
  },
};

export const drainWorker: Operation = {
  tag: 'Server',
  summary: 'Lets a worker end after the tasks that it runs',
  text: 'It takes no more tasks from now on. One that is started afterwards under the same name is not concerned.',
  path: { name: z.string().meta({ examples: ['lab'] }) },
  answers: {
    200: json(
      z.object({
        status: z.literal('OK'),
        workers: z
          .array(z.string())
          .meta({ description: 'The processes that will end.', examples: [['lab/4100/77120/lab']] }),
      }),
    ),
    404: refused('Worker not found'),
  },
};

export const getSchedulerStatus: Operation = {
  tag: 'Server',
  summary: 'What waits, what runs, and what keeps it from running',
  answers: { 200: json(schedulerStatus) },
};
