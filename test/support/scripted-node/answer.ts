import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Endpoint } from './options.js';

/** A request, as far as routes look at it. */
export interface Asked {
  readonly method: string;
  /** Path segments below the base URL, decoded. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes that are announced, when they are not those that come. */
  readonly announced?: number;
}

/** What a dialect does at a path. Null: it answers the request by itself, or never. */
export interface Route {
  readonly endpoint: Endpoint;
  answer(): Answer | Promise<Answer | null>;
}

export function json(body: unknown, status = 200, headers?: Readonly<Record<string, string>>): Answer {
  const bytes = Buffer.from(JSON.stringify(body));
  return { status, type: 'application/json', body: bytes, ...(headers && { headers }) };
}

export function page(status: number, title: string): Answer {
  const text = `<!doctype html><title>${title}</title><h1>${title}</h1>\n`;
  return { status, type: 'text/html; charset=utf-8', body: Buffer.from(text) };
}

/** Sends it, or its first `cutAfter` bytes and then ends the connection. */
export function send(response: ServerResponse, answer: Answer, cutAfter = Infinity): void {
  const { status, type, body, headers = {}, announced = body.length } = answer;
  response.writeHead(status, { 'content-type': type, 'content-length': announced, ...headers });
  const bytes = body.subarray(0, cutAfter);
  if (bytes.length === announced) {
    response.end(bytes);
    return;
  }
  // What was written is on its way before the connection ends: the cut is after it, not instead of it.
  response.flushHeaders();
  response.write(bytes);
  response.socket?.write('', () => response.destroy());
}

/** `YYYY-MM-DD HH:MM:SS`, local time. */
export function plainDate(date: Date): string {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', ' ');
}

export function plainDateOrNull(date: Date | null): string | null {
  return date && plainDate(date);
}
