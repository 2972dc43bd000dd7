import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { problem } from './problem.js';

/** Bytes of one field that is not a file. */
const FIELD_LIMIT = 1024 * 1024;
/** Bytes of all of them together: they are in memory. */
const FIELDS_LIMIT = 4 * FIELD_LIMIT;
/** Parts of one form. */
const PARTS_LIMIT = 1000;

/** Fields that are files however the client names the file, or does not. */
const FILE_FIELDS = new Set(['file', 'files']);

export interface FilesWanted {
  /** Parts of other names are passed over. */
  readonly names: readonly string[];
  /** Is given each file as it streams by, and must read it. */
  readonly take: (part: MultipartFile) => Promise<void>;
}

/**
 * The form's fields, the first of a name, but all of those in `lists`, joined by commas; files as `files` wants them.
 * A part with an empty file name is a field (clients send URLs so), but for `file` and `files`.
 *
 * @throws 400, 413, 415
 */
export async function readForm(
  request: FastifyRequest,
  files?: FilesWanted,
  lists: readonly string[] = [],
): Promise<ReadonlyMap<string, string>> {
  if (request.body instanceof URLSearchParams) return byName(request.body, lists);
  if (!request.isMultipart()) {
    throw problem(415, 'Send a form: multipart/form-data or application/x-www-form-urlencoded');
  }
  const fields: [string, string][] = [];
  let size = 0;
  try {
    for await (const part of request.parts(options(files !== undefined))) {
      if (part.type === 'file') {
        if (files?.names.includes(part.fieldname)) await files.take(part);
        else part.file.resume();
      } else {
        if (part.valueTruncated)
          throw problem(413, `"${part.fieldname}" is longer than ${FIELD_LIMIT} bytes`);
        // What is labelled as JSON comes parsed.
        const value = typeof part.value === 'string' ? part.value : JSON.stringify(part.value);
        size += Buffer.byteLength(value);
        if (size > FIELDS_LIMIT)
          throw problem(413, `The fields are longer than ${FIELDS_LIMIT} bytes together`);
        fields.push([part.fieldname, value]);
      }
    }
  } catch (error) {
    throw isParserError(error) ? problem(400, `The form is broken: ${error.message}`, error) : error;
  }
  return byName(fields, lists);
}

function options(wantsFiles: boolean) {
  return {
    // Names are taken apart by us: clients send whole paths of either system.
    preservePath: true,
    isPartAFile: (field: string | undefined, _type: string | undefined, name: string | undefined) =>
      (wantsFiles && FILE_FIELDS.has(field ?? '')) || (name !== undefined && name !== ''),
    limits: {
      fieldSize: FIELD_LIMIT,
      fields: PARTS_LIMIT,
      parts: PARTS_LIMIT,
      files: PARTS_LIMIT,
      // storeSample counts, and says it in our words.
      fileSize: Number.MAX_SAFE_INTEGER,
    },
    throwFileSizeLimit: false,
  };
}

function byName(
  pairs: Iterable<readonly [string, string]>,
  lists: readonly string[],
): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of pairs) {
    const before = fields.get(name);
    if (before === undefined) fields.set(name, value);
    else if (lists.includes(name)) fields.set(name, `${before},${value}`);
  }
  return fields;
}

/** Busboy throws plain Errors for bytes that are no form; ours and Fastify's carry a status or a code. */
function isParserError(error: unknown): error is Error {
  return (
    error instanceof Error && error.constructor === Error && !('code' in error) && !('statusCode' in error)
  );
}
