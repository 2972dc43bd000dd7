import { json } from './openapi/answers.js';
import type { Operation } from './openapi/operation.js';
import { status } from './status-schema.js';

export const getStatus: Operation = {
  tag: 'Server',
  summary: 'Counts, disk, load, memory',
  text: 'Cheap: schedulers may ask every few seconds.',
  answers: { 200: json(status) },
};
