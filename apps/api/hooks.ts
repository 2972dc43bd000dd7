import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** On every answer, whatever its status: clients of Cuckoo have seen these since 2012. */
export const HEADERS = {
  server: 'Machete Server',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block',
  pragma: 'no-cache',
  'cache-control': 'no-cache',
  expires: '0',
} as const;

const UNAUTHORIZED = {
  message: "Authentication in the form of an 'Authorization: Bearer <TOKEN>' header is required",
};

export function addHeaders(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', async (_request, reply) => {
    reply.headers(HEADERS);
  });
  fastify.addHook('onSend', async (_request, reply) => {
    // Fastify adds a charset; some clients compare the whole text.
    const type = reply.getHeader('content-type');
    if (typeof type === 'string' && type.startsWith('application/json'))
      reply.header('content-type', 'application/json');
  });
}

/** Every request, also to paths that do not exist. Without a token any Authorization header is ignored. */
export function addAuthentication(fastify: FastifyInstance, token: string): void {
  if (token === '') return;
  const expected = digest(`Bearer ${token}`);
  fastify.addHook('onRequest', async (request, reply) => {
    if (timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) return;
    await reply.code(401).send(UNAUTHORIZED);
  });
}

/** Hashed first, so that the comparison takes the same time whatever the length. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Bytes that are not HTTP: Node's parser gave up, there is no request to answer. */
export function answerGarbage(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const body = JSON.stringify({ message: 'The request is not HTTP' });
  const headers = Object.entries({
    ...HEADERS,
    'content-type': 'application/json',
    'content-length': String(body.length),
    connection: 'close',
  });
  socket.end(
    `HTTP/1.1 ${status}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  );
}
