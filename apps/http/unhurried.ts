import type { FastifyReply } from 'fastify';

/** Long work for a client that says nothing meanwhile, and is told nothing: its connection is not idle. */
export async function unhurried<T>({ raw, server }: FastifyReply, work: () => Promise<T>): Promise<T> {
  raw.setTimeout(0);
  try {
    return await work();
  } finally {
    raw.setTimeout(server.server.timeout);
  }
}
