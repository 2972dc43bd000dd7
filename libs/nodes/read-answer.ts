import type { IncomingMessage } from 'node:http';
import { messageOf, type Answer } from './answer.js';
import { NodeError } from './error.js';
import type { Exchange } from './exchange.js';
import { DEEPEST, isDeep, parseJson } from './json.js';
import type { Hide } from './secret.js';

/** Bytes of an answer that is no success. */
const REFUSAL_BYTES = 64 * 1024;

interface Reading {
  /** Names the node and the call. */
  readonly what: string;
  /** Bytes. */
  readonly limit: number;
  readonly hide: Hide;
}

/**
 * The JSON of an answer with a good status.
 *
 * @throws NODE_ODD when it is none, too deep, or longer than `limit`
 */
export async function readJson(
  exchange: Exchange,
  response: IncomingMessage,
  { what, limit, hide }: Reading,
): Promise<Answer> {
  const { statusCode: status = 0, headers } = response;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of exchange.chunks()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) throw odd(what, `more than ${limit} bytes`);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const body = parseJson(text);
  if (body !== undefined) return { status, body, text, headers, hide };
  const no = isDeep(text) ? `JSON of more than ${DEEPEST} levels` : 'no JSON';
  throw odd(what, `${no}: ${messageOf({ body, text, hide })}`);
}

/** An answer with another status. That counts, also when its text is cut: a node may hang up on an upload it refuses. */
export async function readRefusal(
  exchange: Exchange,
  response: IncomingMessage,
  hide: Hide,
): Promise<Answer> {
  const { statusCode: status = 0, headers } = response;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of exchange.chunks()) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= REFUSAL_BYTES) break;
    }
  } catch {
    // What came is told.
  }
  const text = Buffer.concat(chunks).subarray(0, REFUSAL_BYTES).toString('utf8');
  return { status, body: parseJson(text), text, headers, hide };
}

function odd(what: string, came: string): NodeError {
  return new NodeError('NODE_ODD', `${what} was answered with ${came}`, { unclear: true });
}
