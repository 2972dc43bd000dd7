import { request as overHttp, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as overHttps } from 'node:https';
import { isIPv6 } from 'node:net';
import { deadline } from '#domain/deadline.js';

/** What came, whatever it is. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The first MOST bytes. */
  readonly body: string;
  /** Milliseconds until all of it was here. */
  readonly ms: number;
}

/** Bytes: a status is two thousand, and of anything else the beginning tells what it is. */
const MOST = 256 * 1024;

export interface Question {
  readonly url: URL;
  /** Where its host is: the name is not looked up again. */
  readonly address: string;
  readonly authorization: string | null;
  /** Milliseconds for all of it. */
  readonly ms: number;
}

/**
 * One GET over a connection of its own, following nothing. Not by NodeClient, which says what is wrong with an answer and
 * keeps the rest of it to itself.
 *
 * @throws what node:http does, and the reason of the deadline
 */
export async function ask(question: Question, signal: AbortSignal): Promise<Answer> {
  using within = deadline(question.ms, signal);
  const began = performance.now();
  try {
    const response = await send(question, within.signal);
    const { statusCode = 0, headers } = response;
    const body = await beginning(response);
    return { status: statusCode, headers, body, ms: performance.now() - began };
  } catch (error) {
    within.signal.throwIfAborted(); // node:http calls each of its ends an AbortError
    throw error;
  }
}

function send({ url, address, authorization }: Question, signal: AbortSignal): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? overHttps : overHttp;
  const family = isIPv6(address) ? 6 : 4;
  return new Promise((resolve, reject) => {
    request(
      url,
      {
        agent: false,
        signal,
        headers: { accept: 'application/json', ...(authorization !== null && { authorization }) },
        lookup: (_host, { all }, done) =>
          all === true ? done(null, [{ address, family }]) : done(null, address, family),
      },
      resolve,
    )
      .on('error', reject)
      .end();
  });
}

async function beginning(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece);
    size += piece.length;
    if (size >= MOST) break; // which destroys it
  }
  return Buffer.concat(pieces).toString('utf8', 0, MOST);
}
