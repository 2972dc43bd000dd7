import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Once, RequestMark } from '#storage/idempotency.js';
import { callerOf } from './access/caller.js';
import { problem } from './problem.js';
import type { Fields } from './submission.js';

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
  /** Which of several it was sent to. */
  readonly endpoint: string;
  readonly fields: Fields;
  readonly uploads?: readonly { readonly name: string; readonly sample: { readonly sha256: string } }[];
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

/** @throws 422 when the key was another request's */
export function answerOf<T>(result: Once<T>): T {
  if (result.kind !== 'another request') return result.answer;
  throw problem(422, 'This Idempotency-Key was used for another request: choose a new key for a new request');
}
