import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { RequestMark } from '#storage/idempotency.js';
import { callerOf } from '../access/caller.js';
import { problem } from '../problem.js';
import type { Fields } from './submission.js';
import type { Upload } from './upload.js';

const KEY = /^[\x20-\x7e]{1,255}$/;

export interface IdempotencyKey {
  /** Name of the token it came with: keys of two clients are two keys. */
  readonly scope: string;
  readonly key: string;
}

/**
 * The header Idempotency-Key, null without one. Before the body is read: a bad one costs the client no upload.
 *
 * @throws 400
 */
export function readKey(request: FastifyRequest): IdempotencyKey | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key === 'string' && KEY.test(key)) return { scope: callerOf(request).token ?? '', key };
  throw problem(400, 'The header Idempotency-Key must be 1 to 255 printable ASCII characters');
}

/** Everything that a submission says. */
export interface Said {
  readonly endpoint: 'file' | 'url' | 'submit';
  readonly fields: Fields;
  readonly uploads?: readonly Upload[];
}

/** How this request is known when it comes again; null without a key. */
export function markOf(
  key: IdempotencyKey | null,
  { endpoint, fields, uploads = [] }: Said,
): RequestMark | null {
  if (key === null) return null;
  const pairs = [...fields].sort(([a], [b]) => (a < b ? -1 : 1));
  const files = uploads.map(({ name, sample }) => [name, sample.sha256]);
  const text = JSON.stringify([endpoint, pairs, files]);
  return { ...key, fingerprint: createHash('sha256').update(text).digest('hex') };
}
