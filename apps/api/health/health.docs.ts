import { json } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { live, ready } from './health-schema.js';

export const getLive: Operation = {
  tag: 'Server',
  summary: 'Whether this process works',
  text: 'For who starts it again when it does not: nothing else is looked at. Needs no token.',
  answers: { 200: json(live) },
};

export const getReady: Operation = {
  tag: 'Server',
  summary: 'Whether a task would be taken and run now',
  text:
    'Looks at the database, Redis, the disk, the rooter, the machines and the reconciler, two seconds each at most. ' +
    'Needs no token; without one that may read, only `status` is told.',
  answers: { 200: json(ready), 503: json(ready, 'At least one check failed.') },
};
