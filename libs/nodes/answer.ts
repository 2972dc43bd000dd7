import { STATUS_CODES, type IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { quoted } from '#domain/quoted.js';
import { NodeError, type NodeErrorCode } from './error.js';
import type { Hide } from './secret.js';

/** Longest time a node is left alone because it says so, milliseconds. */
const LONGEST_PAUSE_MS = 60 * 60 * 1000;

/** The answer of one call, read. */
export interface Answer {
  readonly status: number;
  /** The JSON; undefined when it is none, which only answers of statuses other than 2xx may be. */
  readonly body: unknown;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
  /** To be asked before a part of it becomes a message. */
  readonly hide: Hide;
}

const message = z.union([
  z.object({ message: z.string() }).transform(({ message }) => message),
  z.object({ error_value: z.string() }).transform((body) => body.error_value),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
]);

/** What a node says in an answer that is no success: its message, else the text as it is; for people. */
export function messageOf({ body, text, hide }: Pick<Answer, 'body' | 'text' | 'hide'>): string {
  const told = message.safeParse(body);
  if (told.success) return quoted(hide(told.data));
  if (text === '') return 'nothing';
  const said = hide(text);
  return isHtml(said) ? `HTML (${quoted(withoutTags(said))})` : quoted(said);
}

/** As all versions of Cuckoo and Malkoha say it; any server has a page for a path it does not know. */
export function isMissing(answer: Answer): boolean {
  const { status, text } = answer;
  return (
    (status === 404 || status === 400) && /(Task|Report|File) not found|Invalid report format/i.test(text)
  );
}

/** Also by what it looks like: proxies and old servers call it anything. */
export function isHtml(text: string): boolean {
  return /^\s*<(?:!doctype|html|head|body|title|h1|\?xml)/i.test(text.slice(0, 512));
}

function withoutTags(html: string): string {
  return html
    .slice(0, 4096)
    .replace(/<(style|script)\b[^]*?<\/\1\s*>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/**
 * The error of an answer with a status that is no success.
 *
 * @param what names the node and the call
 */
export function statusError(what: string, answer: Answer): NodeError {
  const { status, headers } = answer;
  const name = `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
  if (status === 200) {
    const code = isHtml(answer.text) ? 'NODE_ODD' : 'NODE_REFUSED';
    return new NodeError(code, `${what} was answered by no report: ${messageOf(answer)}`);
  }
  if (status < 400) {
    const { location } = headers;
    const where =
      location === undefined
        ? ''
        : ` to ${quoted(answer.hide(location))}: give the node that address if it is right`;
    // Web pages answer so to a form they have taken; 301, 307 and 308 say that somebody else would take it.
    const unclear = status < 300 || status === 302 || status === 303;
    return new NodeError('NODE_ODD', `${what} was answered by ${name}${where}; it is not followed`, {
      unclear,
    });
  }
  const retryAfterMs = retryAfter(headers['retry-after']);
  const said = `${what} was answered by ${name}: ${messageOf(answer)}`;
  return new NodeError(codeOf(answer), said, { unclear: status >= 500, retryAfterMs });
}

function codeOf({ status, text }: Answer): NodeErrorCode {
  if (status === 401 || status === 403) return 'NODE_DENIED';
  if (status === 429 || status === 503 || status === 507) return 'NODE_BUSY';
  if (status >= 500 || status === 408) return 'NODE_UNREACHABLE';
  // No such path, or not this method: whatever answers has no such API. Nor do such APIs refuse in HTML, but for a
  // server before them that takes no body of that size.
  if (status === 404 || status === 405 || (status !== 413 && isHtml(text))) return 'NODE_ODD';
  return 'NODE_REFUSED';
}

/** Milliseconds of a Retry-After, seconds or a date; null without one that can be read. */
export function retryAfter(text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), LONGEST_PAUSE_MS);
}
