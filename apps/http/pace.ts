import type { FastifyInstance } from 'fastify';
import { SandboxError } from '#domain/errors.js';

/** Bytes of a body that must come in each window: less than any line that people have. */
const MIN_BYTES = 16 * 1024;

/**
 * A client that sends a body byte by byte would hold a connection and a file for ever: each `windowMs` must bring some
 * of it, or its end. However long an upload takes in all, a steady one may.
 */
export function addPace(fastify: FastifyInstance, windowMs: number): void {
  fastify.addHook('onRequest', async ({ raw, headers }, reply) => {
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return;
    const { socket } = raw;
    let before = socket.bytesRead;
    const timer = setInterval(() => {
      const came = socket.bytesRead - before;
      before = socket.bytesRead;
      // What waits to be read by us is not the client's fault.
      if (raw.complete || reply.sent || came >= MIN_BYTES || raw.readableLength > 0) return;
      const seconds = windowMs / 1000;
      // At once: what comes later must not become a task that its client was refused.
      reply.raw.once('finish', () => raw.destroy());
      void reply.send(
        new SandboxError(
          'REQUEST_TOO_SLOW',
          `The request is too slow: ${MIN_BYTES} bytes must come in ${seconds} seconds`,
        ),
      );
    }, windowMs);
    reply.raw.once('close', () => clearInterval(timer));
  });
}
