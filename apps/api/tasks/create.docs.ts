import { z } from 'zod';
import type { ZodOpenApiRequestBodyObject } from 'zod-openapi';
import { json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';
import { file, optional, place, unique, wishes } from './submission-fields.js';

/** Alike for all that make tasks. */
const once = {
  headers: {
    'Idempotency-Key': z.string().meta({
      description:
        'A text of your own: the same request sent again with it makes no other task, and gets the same answer.',
      examples: ['mail-4711'],
    }),
  },
};
const otherRequest = refused(
  'This Idempotency-Key was used for another request: choose a new key for a new request',
);

const created = json(
  z.object({
    task_id: z.int().meta({ examples: [1] }),
    task_ids: z
      .array(z.int())
      .meta({ description: 'The same, for clients that read this.', examples: [[1]] }),
  }),
);
const full = refused('Only 10 MB are free in /srv/storage; 50 MB must be (freespace in cuckoo.conf)');

export const createFile: Operation = {
  tag: 'Submit',
  summary: 'A task for a file',
  text: 'One file, one task, also for archives. The file is kept, and the task stored, before the answer.',
  ...once,
  form: form({ file, ...optional({ ...place, ...wishes, unique }) }, ['multipart/form-data']),
  answers: {
    200: created,
    400: refused(
      'The file is missing: send it as the multipart field "file"',
      'This file has already been submitted',
    ),
    422: otherRequest,
    507: full,
  },
};

export const createUrl: Operation = {
  tag: 'Submit',
  summary: 'A task for a URL',
  ...once,
  form: form(
    {
      url: z
        .string()
        .max(8192)
        .meta({
          description: 'As it is; no scheme is put before it.',
          examples: ['http://example.com/invoice'],
        }),
      ...optional({ ...place, ...wishes }),
    },
    ['multipart/form-data', 'application/x-www-form-urlencoded'],
  ),
  answers: {
    200: created,
    400: refused('The URL is missing: send it as the form field "url"'),
    422: otherRequest,
    507: full,
  },
};

export const createSubmit: Operation = {
  tag: 'Submit',
  summary: 'Tasks for several files, or for lines of text',
  text:
    'A container (zip, tar, 7z, rar, mail …) becomes a task for each file in it. Lines are URLs, or names that become ' +
    'URLs; what is neither is told in `errors`. Files win over lines.',
  ...once,
  form: form(
    optional({
      files: z.array(file).describe('Files; `file` is the same.'),
      file,
      strings: z.string().meta({ description: 'Lines.', examples: ['http://example.com/a\nexample.org'] }),
      password: z.string().meta({ description: 'Of the containers.', examples: ['infected'] }),
      ...wishes,
      unique,
    }),
    ['multipart/form-data', 'application/x-www-form-urlencoded'],
  ),
  answers: {
    200: json(
      z.object({
        submit_id: z.int().meta({ examples: [1] }),
        task_ids: z.array(z.int()).meta({ examples: [[1, 2]] }),
        errors: z.array(z.string()).meta({ description: 'What made no task, and why.', examples: [[]] }),
      }),
    ),
    413: refused('One request makes at most 500 tasks: send the rest in another'),
    422: otherRequest,
    500: refused('No files or strings have been given!'),
    507: full,
  },
};

function form(
  fields: Readonly<Record<string, z.ZodType>>,
  types: readonly string[],
): ZodOpenApiRequestBodyObject {
  const schema = z.object(fields);
  return { required: true, content: Object.fromEntries(types.map((type) => [type, { schema }])) };
}
