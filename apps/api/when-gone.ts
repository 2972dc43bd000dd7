import type { FastifyReply } from 'fastify';

/** Aborts when the client goes away before it was answered in full. */
export function whenGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const leave = (): void => {
    if (!raw.writableFinished) gone.abort(new Error('the client went away'));
  };
  if (raw.destroyed) leave();
  else raw.once('close', leave);
  return gone.signal;
}
