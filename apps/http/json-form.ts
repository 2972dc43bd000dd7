import type { FastifyRequest } from 'fastify';
import { readForm } from './form.js';
import { problem } from './problem.js';

/**
 * Fields of a form, or of a JSON object; there lists become text with commas. `example` is shown to who sends JSON that is
 * no object.
 *
 * @throws 400, 413, 415
 */
export async function readFields(
  request: FastifyRequest,
  example: object,
): Promise<ReadonlyMap<string, string>> {
  return typeof request.body === 'string' ? fromJson(request.body, example) : await readForm(request);
}

function fromJson(text: string, example: object): ReadonlyMap<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problem(400, 'The body is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw problem(400, `The body must be a JSON object: ${JSON.stringify(example)}`);
  }
  const pairs = Object.entries(value).flatMap(([name, given]): [string, string][] =>
    given === null ? [] : [[name, textOf(name, given)]],
  );
  return new Map(pairs);
}

function textOf(name: string, given: unknown): string {
  if (Array.isArray(given) && given.every(isPlain)) return given.join(',');
  if (isPlain(given)) return String(given);
  throw problem(400, `"${name}" must be text, or a list of texts`);
}

function isPlain(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}
