import type { FastifyReply, FastifyRequest } from 'fastify';
import { normalizeUrl } from '../../http/paths.js';
import type { Presentation } from '../../http/presentation.js';

/**
 * The same data in two presentations: of Cuckoo's first distributed script at the root (`/node`, `/task` …), and of
 * Cuckoo 2.0.7 below `/api`.
 */
export const isApi = ({ url }: Pick<FastifyRequest, 'url'>): boolean => url.startsWith('/api/');

/** Both paths of a route. */
export const both = (path: string): string[] => [path, `api/${path}`];

/** `/api/v1/task` is `/api/task`. */
export function rewriteUrl(normalized: string): string {
  return normalized.replace(/^\/api\/v1(?=[/?#]|$)/, '/api');
}

export const DISTRIBUTED: Presentation = {
  server: 'Distributed Machete Server',
  error: ({ message, status }, url = '/') =>
    isApi({ url: normalizeUrl(url) }) ? { success: false, message } : { success: false, message, status },
};

/** The answer to what has no other: at the root `null`, which Nest would send as nothing at all. */
export function done(request: FastifyRequest, reply: FastifyReply): object | string {
  if (isApi(request)) return { success: true };
  void reply.header('content-type', 'application/json');
  return 'null';
}
