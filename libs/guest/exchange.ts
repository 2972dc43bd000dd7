import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { ProtocolError, SandboxError } from '#domain/errors.js';
import type { Body } from './body.js';

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Body;
}

export interface Reply {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * One HTTP request and its whole answer over a fresh connection, which is closed afterwards. Takes what the agents of
 * Python's standard library send: HTTP/1.0 with neither length nor type, ended by closing.
 *
 * @param maxBytes of the answer's body
 * @throws ProtocolError when the answer is too long or no HTTP; the stream's error when it broke
 */
export async function exchange(
  stream: Duplex,
  call: Call,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Reply> {
  const { method, path, body } = call;
  const headers = body && { 'Content-Type': body.type, 'Content-Length': body.size };
  const request = httpRequest({ method, path, host: 'guest', headers, createConnection: () => stream });
  // What fails after the answer is there interests nobody.
  request.on('error', () => undefined);
  const give = () => request.destroy(signal.reason as Error);
  signal.addEventListener('abort', give, { once: true });
  try {
    signal.throwIfAborted();
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    // An agent may answer no before it has taken the whole body: the answer counts, not whether all was sent.
    void send(request, body).catch((error: unknown) => request.destroy(error as Error));
    const [response] = await answered;
    return { status: response.statusCode ?? 0, body: await readAll(response, maxBytes) };
  } catch (error) {
    if (String((error as NodeJS.ErrnoException).code).startsWith('HPE_')) {
      throw new ProtocolError(`the agent's answer to ${method} ${path} is no HTTP`, 0, { cause: error });
    }
    throw error;
  } finally {
    signal.removeEventListener('abort', give);
    request.destroy();
    stream.destroy();
  }
}

async function send(request: ClientRequest, body: Body | undefined): Promise<void> {
  let left = body?.size ?? 0;
  let last: Buffer | null = null;
  for await (const chunk of body?.chunks() ?? []) {
    if (request.destroyed) return;
    left -= chunk.length;
    // One chunk behind, so that a body of one chunk leaves together with the header.
    if (last !== null && !request.write(last)) await drained(request);
    last = chunk;
  }
  if (left !== 0) throw new SandboxError('SAMPLE_MISSING', 'the file changed while it was sent to the guest');
  if (last === null) request.end();
  else request.end(last);
}

/** Resolves when more may be written, or nothing ever will be. */
function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      request.off('drain', done).off('close', done);
      resolve();
    };
    request.on('drain', done).on('close', done);
  });
}

async function readAll(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes)
      throw new ProtocolError(`the agent's answer is longer than ${maxBytes} bytes`, length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
