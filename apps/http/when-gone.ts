import type { FastifyReply } from 'fastify';

/**
 * Aborts when the client goes away before it was answered in full, or as `shutdown` does.
 *
 * Not `AbortSignal.any()`: in Node 20 a source remembers every signal ever made of it, and `shutdown` lives as long as the
 * process.
 */
export function whenGone({ raw }: FastifyReply, shutdown?: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const end = (): void => gone.abort(shutdown?.reason);
  const leave = (): void => {
    shutdown?.removeEventListener('abort', end);
    if (!raw.writableFinished) gone.abort(new Error('the client went away'));
  };
  if (shutdown?.aborted === true) end();
  shutdown?.addEventListener('abort', end);
  if (raw.destroyed) leave();
  else raw.once('close', leave);
  return gone.signal;
}
