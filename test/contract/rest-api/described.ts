import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type {
  ApiAnswer,
  ApiDocument,
  ApiOperation,
  Schema,
} from '../../../apps/api/openapi/document-shape.js';
import { isReference, named } from '../../../apps/api/openapi/examples.js';

const DOCUMENT = 'document';

/** `GET /tasks/view/{id}` → its operation. */
export function operationsOf({ paths }: ApiDocument): ReadonlyMap<string, ApiOperation> {
  const pairs = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => [`${method.toUpperCase()} ${path}`, one] as const),
  );
  return new Map(pairs);
}

export function answerOf(
  { components }: ApiDocument,
  { responses }: ApiOperation,
  status: number,
): ApiAnswer | undefined {
  const answer = responses[String(status)];
  return answer && isReference(answer) ? named(answer, components.responses) : answer;
}

/** What of a value is not as its schema says. */
export type Judge = (schema: Schema, value: unknown) => readonly string[];

/** A key that the schema does not name is a fault, unless it says that any may come. */
export function judgeBy({ components }: ApiDocument): Judge {
  const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { binary: true } });
  addFormats.default(ajv, ['date-time', 'uri']);
  ajv.addSchema({ $id: DOCUMENT, components: closed(components) });
  return (schema, value) => {
    const isRight = ajv.compile(closed(schema) as object);
    isRight(value);
    return (isRight.errors ?? []).map(({ instancePath, message = '', params }) =>
      [instancePath, message, JSON.stringify(params)].join(' '),
    );
  };
}

function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  if ('$ref' in node) return { $ref: `${DOCUMENT}${String(node.$ref)}` };
  const parts = Object.fromEntries(Object.entries(node).map(([key, part]) => [key, closed(part)]));
  return parts['type'] === 'object' && typeof parts['properties'] === 'object'
    ? { additionalProperties: false, ...parts }
    : parts;
}
