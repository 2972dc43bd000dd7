import type { FastifyRequest } from 'fastify';
import { readFields } from '../../http/json-form.js';

/** What has a body without a type is refused before. */
export const hasBody = ({ headers }: FastifyRequest): boolean => headers['content-type'] !== undefined;

/** As `readFields`; none when there is no body, as with Cuckoo 2.0.7, which then says what is missing. */
export async function fieldsOf(
  request: FastifyRequest,
  example: object,
): Promise<ReadonlyMap<string, string>> {
  return hasBody(request) ? readFields(request, example) : new Map();
}
