import type { FastifyInstance } from 'fastify';

/**
 * Lets what is under way end when the API closes: no new connections are taken, requests that are here are answered,
 * each as the last of its connection. What is not done within `limitMs` is cut off; what waits for events ends by
 * itself, by the context's `shutdown`.
 */
export function addDrain(fastify: FastifyInstance, limitMs: number): void {
  let underWay = 0;
  let closing = false;
  let drained = (): void => {};
  fastify.addHook('onRequest', async (_request, { raw }) => {
    underWay += 1;
    raw.once('close', () => {
      underWay -= 1;
      if (underWay === 0) drained();
    });
  });
  fastify.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
  fastify.addHook('preClose', async () => {
    closing = true;
    fastify.server.close();
    if (underWay === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      drained = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  });
}
