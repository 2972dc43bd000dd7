import { z } from 'zod';
import { BINARY } from '../http/send.js';
import { download, json, refused } from './openapi/answers.js';
import { PARTS, PARTS_HEADERS } from './openapi/common-answers.js';
import type { Operation } from './openapi/operation.js';
import { sha256 } from './openapi/parameters.js';
import { SAMPLE_EXAMPLE } from './tasks/task-examples.js';
import { sample } from './tasks/task-schema.js';

const sampleOfTasks = sample.extend({ tasks: z.array(z.int()).describe('Their ids.') }).meta({
  id: 'SampleWithTasks',
  examples: [{ ...SAMPLE_EXAMPLE, tasks: [1] }],
});

export const viewFile: Operation = {
  tag: 'Samples',
  summary: 'A sample, by one of its hashes or its id',
  path: {
    kind: z.enum(['sha256', 'sha1', 'md5', 'id']),
    value: z
      .string()
      .meta({ description: 'Hex in any case, or a number.', examples: [SAMPLE_EXAMPLE.sha256] }),
  },
  answers: {
    200: json(z.object({ sample: sampleOfTasks })),
    400: refused('Invalid lookup term'),
    404: refused('File not found'),
  },
};

export const getFile: Operation = {
  tag: 'Samples',
  summary: 'The bytes of a sample: **malware**',
  path: { sha256 },
  headers: PARTS_HEADERS,
  answers: {
    200: download(BINARY, SAMPLE_EXAMPLE.sha256, 'The file as it was submitted.'),
    ...PARTS,
    404: refused('File not found'),
  },
};
