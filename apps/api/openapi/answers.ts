import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';

const error = z
  .object({ message: z.string().describe('A sentence that says what is wrong, and what to do.') })
  .meta({ id: 'Error', description: 'Every error, as clients of Cuckoo know it.' });

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().optional().describe('The path that was asked for.'),
    message: z.string().describe('The same as `detail`.'),
    code: z.string().optional().describe('For programs.'),
  })
  .meta({
    id: 'Problem',
    description: 'The same error for who sends `Accept: application/problem+json` (RFC 9457).',
    examples: [
      {
        type: 'urn:malkoha:errors#no_disk_space',
        title: 'No disk space',
        status: 507,
        detail: 'Only 10 MB are free in /srv/storage; 50 MB must be (freespace in cuckoo.conf)',
        instance: '/tasks/create/file',
        message: 'Only 10 MB are free in /srv/storage; 50 MB must be (freespace in cuckoo.conf)',
        code: 'NO_DISK_SPACE',
      },
    ],
  });

const BYTES = { type: 'string', format: 'binary' } as const;

/** An answer in JSON. Its example is put together from those of its schema's parts. */
export function json(schema: z.ZodType, description = 'OK'): ZodOpenApiResponseObject {
  return { description, content: { 'application/json': { schema } } };
}

/** Text or bytes of one of these media types. */
export function content(types: readonly string[], description = 'OK'): ZodOpenApiResponseObject {
  return { description, content: Object.fromEntries(types.map((type) => [type, { schema: BYTES }])) };
}

/** `{"status": "OK"}` */
export function done(): ZodOpenApiResponseObject {
  return json(z.object({ status: z.literal('OK') }));
}

/** Bytes to be saved, and the name that is suggested for them. */
export function download(type: string, name: string, description: string): ZodOpenApiResponseObject {
  const disposition = { schema: { type: 'string' }, example: `attachment; filename="${name}"` } as const;
  return { ...content([type], description), headers: { 'Content-Disposition': disposition } };
}

/** An error with one of these sentences. */
export function refused(first: string, ...others: readonly string[]): ZodOpenApiResponseObject {
  return {
    description: [first, ...others].map((sentence) => `\`${sentence}\``).join(' or '),
    content: {
      'application/json': { schema: error, example: { message: first } },
      'application/problem+json': { schema: problem },
    },
  };
}
