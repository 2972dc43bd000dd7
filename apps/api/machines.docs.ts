import { z } from 'zod';
import { machine } from './machine-schema.js';
import { json, refused } from './openapi/answers.js';
import type { Operation } from './openapi/operation.js';

export const listMachines: Operation = {
  tag: 'Server',
  summary: 'Machines that samples run on',
  answers: { 200: json(z.object({ machines: z.array(machine) })) },
};

export const viewMachine: Operation = {
  tag: 'Server',
  summary: 'A machine',
  path: { name: z.string().meta({ examples: ['linux1'] }) },
  answers: { 200: json(z.object({ machine })), 404: refused('Machine not found') },
};
