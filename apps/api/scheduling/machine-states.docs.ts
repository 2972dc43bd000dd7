import { z } from 'zod';
import { done, json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { wait } from '../openapi/parameters.js';
import { machineDetails, machineStateView, machineTest } from './machine-state-schema.js';

const name = z.string().meta({ examples: ['linux1'] });
const missing = refused('Machine not found');
const away = refused('Redis does not answer; the task is stored and goes on when it does');

export const listMachineStates: Operation = {
  tag: 'Server',
  summary: 'What each machine does, and why',
  text: 'What `machines/list` has no keys for.',
  answers: { 200: json(z.object({ machines: z.array(machineStateView) })) },
};

export const viewMachineState: Operation = {
  tag: 'Server',
  summary: 'What one machine does, and what waits for it',
  path: { name },
  answers: { 200: json(z.object({ machine: machineDetails })), 404: missing },
};

export const enableMachine: Operation = {
  tag: 'Server',
  summary: 'Lets a machine take tasks',
  path: { name },
  answers: { 200: done(), 404: missing },
};

export const disableMachine: Operation = {
  tag: 'Server',
  summary: 'Lets a machine take no more tasks',
  text: 'What it runs goes on. It stays disabled over restarts, until it is enabled.',
  path: { name },
  answers: { 200: done(), 404: missing },
};

export const testMachine: Operation = {
  tag: 'Server',
  summary: 'Tests a machine',
  text:
    'As soon as no task has it, it is restored, started, its agent asked, and powered off. One that fails is ' +
    'quarantined; a quarantined one that passes is back.',
  path: { name },
  query: { wait },
  answers: {
    200: json(z.object({ test: machineTest }), 'The test; its result, if it has ended in time.'),
    400: refused('"wait" must be a number of seconds, at most 60'),
    404: missing,
    409: refused('The machine cannot be tested: its worker has ended'),
    503: away,
  },
};

export const viewTest: Operation = {
  tag: 'Server',
  summary: 'How the test of a machine went',
  text: 'Kept for an hour.',
  path: { id: z.string().meta({ examples: ['2c1f6f2e-2f5a-4c9f-8d57-4f6f3a0c1d11'] }) },
  query: { wait },
  answers: {
    200: json(z.object({ test: machineTest })),
    400: refused('"wait" must be a number of seconds, at most 60'),
    404: refused('Test not found'),
    503: away,
  },
};
