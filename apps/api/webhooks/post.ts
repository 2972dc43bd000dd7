import { request as httpRequest, STATUS_CODES, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { lookupOutside, mustBeOutside } from './address.js';

/** Bytes of an answer that are read: its status is all that counts. */
const ANSWER_LIMIT = 64 * 1024;

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** May the receiver be on this host or in its network? */
  readonly allowPrivate: boolean;
}

/**
 * Sends one message over a connection of its own and returns the status of the answer. Redirects are not followed.
 *
 * @throws Error that says why there was no answer
 */
export async function post(
  { url: text, headers, body, allowPrivate }: Post,
  signal: AbortSignal,
): Promise<number> {
  const url = new URL(text);
  if (!allowPrivate) mustBeOutside(url);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = send(url, {
    method: 'POST',
    headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    agent: false,
    signal,
    ...(!allowPrivate && { lookup: lookupOutside }),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    // Without either: Node closes the connection to a receiver that changes the protocol (101).
    request.once('close', () => reject(new Error('the connection ended without an answer')));
  });
  request.end(body);
  try {
    const answer = await answered;
    await skim(answer);
    return answer.statusCode ?? 0;
  } catch (error) {
    // Several addresses that all fail have an error without a message.
    throw error instanceof AggregateError ? error.errors[0] : error;
  } finally {
    request.on('error', () => {}); // what breaks from now on is no news
    request.destroy();
  }
}

/** Reads the answer to its end, so that its sender sees no broken connection, unless it is long or slow. */
async function skim(answer: IncomingMessage): Promise<void> {
  let read = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      read += chunk.length;
      if (read > ANSWER_LIMIT) return;
    }
  } catch {
    // The status has been said.
  }
}

/** What an answer that is no success means, for people. */
export function refusalOf(status: number): string {
  const text = `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
  return status >= 300 && status < 400 ? `${text}: redirects are not followed` : text;
}
