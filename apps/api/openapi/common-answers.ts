import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import { refused } from './answers.js';

type Answers = Readonly<Record<number, ZodOpenApiResponseObject>>;

const NOT_ALLOWED: ZodOpenApiResponseObject = {
  id: 'NotAllowed',
  ...refused(
    'The token "siem" may not do this: it needs the scope submit, and has read, download',
    'Requests from pages of other sites are refused',
  ),
};

/** What every operation may be answered. */
export const ALWAYS: Answers = {
  401: {
    id: 'TokenNeeded',
    ...refused("Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required"),
  },
  403: NOT_ALLOWED,
  429: {
    id: 'TooOften',
    ...refused('Too many requests: 60 per minute are allowed; try again in 12 seconds'),
    headers: {
      'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } },
    },
  },
};

/** What an operation may be answered that needs no token. */
export const OPEN: Answers = { 403: NOT_ALLOWED };

/** What every operation that takes a form may be answered as well. */
export const FORM: Answers = {
  400: { id: 'BadForm', ...refused('"timeout" must be a whole number from 0 to 2147483647') },
  408: {
    id: 'TooSlow',
    ...refused('The request is too slow: 16384 bytes must come in 60 seconds'),
  },
  413: { id: 'TooLarge', ...refused('"options" is longer than 1048576 bytes') },
  415: {
    id: 'NoForm',
    ...refused('Send a form: multipart/form-data or application/x-www-form-urlencoded'),
  },
};

/** What may be asked of a download, and answered as well: see downloads/send.ts. */
export const PARTS_HEADERS = {
  Range: z.string().meta({
    description: 'One range of bytes: a download that broke off goes on.',
    examples: ['bytes=1000-'],
  }),
  'If-None-Match': z.string().describe('The `ETag` of what is there already.'),
};

export const PARTS: Answers = {
  206: { id: 'Part', description: 'The range that was asked for.' },
  304: { id: 'NotModified', description: 'It is still what `If-None-Match` says.' },
  416: { id: 'BeyondTheEnd', ...refused('The range begins beyond the end: there are 4096 bytes') },
};
