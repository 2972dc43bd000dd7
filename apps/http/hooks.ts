import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyInstance } from 'fastify';
import type { Presentation } from './presentation.js';
import { refusalBody, type Refusal } from './refusal.js';

/** On every answer, whatever its status: clients of Cuckoo have seen these since 2012. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block',
  pragma: 'no-cache',
  'cache-control': 'no-cache',
  expires: '0',
} as const;

export function addHeaders(fastify: FastifyInstance, { server }: Presentation): void {
  const headers = { server, ...HEADERS };
  fastify.addHook('onRequest', async (_request, reply) => {
    reply.headers(headers);
  });
  fastify.addHook('onSend', async (_request, reply) => {
    // Fastify adds a charset; some clients compare the whole text.
    const type = reply.getHeader('content-type');
    if (typeof type === 'string' && type.startsWith('application/json'))
      reply.header('content-type', 'application/json');
  });
}

/** Bytes that are not HTTP, or too many, or too late: Node's parser gave up, there is no request to answer. */
export function garbageAnswer(presentation: Presentation): (error: ConnectionError, socket: Socket) => void {
  return (error, socket) => answerGarbage(error, socket, presentation);
}

function answerGarbage(error: ConnectionError, socket: Socket, presentation: Presentation): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = refusalOf(error.code);
  // The headers may be among the bytes that came.
  const [, accept] = /^accept:(.*)$/im.exec(bytesOf(error).toString('latin1')) ?? [];
  const { type, body } = refusalBody(refusal, { accept }, presentation);
  const headers = Object.entries({
    server: presentation.server,
    ...HEADERS,
    'content-type': type,
    'content-length': String(body.length),
    connection: 'close',
  });
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.write(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\n${head}\r\n`);
  socket.end(body);
}

/** @see https://nodejs.org/docs/latest-v20.x/api/http.html#event-clienterror */
function refusalOf(code: string): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW')
    return { status: 431, message: 'The headers of the request are too large' };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return {
      status: 408,
      message: 'The headers of the request did not arrive in time',
      code: 'REQUEST_TOO_SLOW',
    };
  }
  return { status: 400, message: 'The request is not HTTP', code: 'BAD_REQUEST' };
}

/** What had come in; Fastify's type has it as it looks in JSON. Not there after a time-out. */
function bytesOf({ rawPacket }: { readonly rawPacket?: unknown }): Buffer {
  return Buffer.isBuffer(rawPacket) ? rawPacket : Buffer.alloc(0);
}
