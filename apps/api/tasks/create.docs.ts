import { z } from 'zod';
import type { ZodOpenApiRequestBodyObject } from 'zod-openapi';
import { json, refused } from '../openapi/answers.js';
import type { Operation } from '../openapi/operation.js';

const file = z.file().describe('The sample. Its file name is the name it has in the guest.');

/** What every task may ask for. Empty text and `None` mean "not given". */
const wishes = {
  timeout: z
    .int()
    .min(0)
    .meta({ description: 'Seconds it may run; 0: the configured default.', examples: [60] }),
  priority: z.int().meta({ description: 'Larger runs first; 1 unless given.', examples: [2] }),
  options: z.string().meta({
    description: '`name=value,name2=value2`, for the package and the guest.',
    examples: ['free=yes,route=drop'],
  }),
  tags: z.string().meta({ description: 'The machine must have all of these.', examples: ['x64,office'] }),
  custom: z
    .string()
    .meta({ description: 'Any text: it comes back in the task and the report.', examples: ['case 7'] }),
  owner: z.string().meta({ description: 'Tasks can be listed by it.', examples: ['mail-gateway'] }),
  memory: z.boolean().meta({ description: 'Dump the memory of the machine at the end.', examples: [false] }),
  enforce_timeout: z
    .boolean()
    .meta({ description: 'Run for the whole time, even when nothing runs any more.', examples: [false] }),
  clock: z
    .string()
    .meta({ description: "The guest's date, as `MM-DD-YYYY HH:MM:SS`.", examples: ['12-31-2026 23:59:00'] }),
};

/** What a task of one file or URL may ask for as well. */
const place = {
  package: z.string().meta({ description: 'How to run it; else its type decides.', examples: ['generic'] }),
  machine: z.string().meta({
    description: 'Name or label of the machine; platform and tags then do not count.',
    examples: ['linux1'],
  }),
  platform: z.string().meta({ description: 'Of the machine.', examples: ['linux'] }),
};

const unique = z
  .boolean()
  .meta({ description: 'Refuse a file that was ever submitted before.', examples: [false] });

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
  form: form({ file, ...optional({ ...place, ...wishes, unique }) }, ['multipart/form-data']),
  answers: {
    200: created,
    400: refused(
      'The file is missing: send it as the multipart field "file"',
      'This file has already been submitted',
    ),
    507: full,
  },
};

export const createUrl: Operation = {
  tag: 'Submit',
  summary: 'A task for a URL',
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

function optional(fields: Readonly<Record<string, z.ZodType>>): Readonly<Record<string, z.ZodType>> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.optional()]));
}
