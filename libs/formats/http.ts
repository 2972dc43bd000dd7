/**
 * Cuts one direction of an HTTP/1 connection into messages. Only what a report needs: heads as text, bodies as sent
 * (chunks joined, nothing decompressed). Reading ends quietly where the bytes stop being HTTP.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112
 */

/** Bytes of one head; servers refuse far less. */
const MAX_HEAD_BYTES = 64 * 1024;
const MAX_HEADERS = 128;
/** Messages read from one connection. */
const MAX_MESSAGES = 10_000;

const METHOD = /^[A-Z][A-Z_-]{1,19}$/;

export type Header = readonly [name: string, value: string];

export interface HttpRequestMessage {
  /** Of its first byte in the stream. */
  readonly offset: number;
  readonly method: string;
  readonly uri: string;
  /** `1.1`. */
  readonly version: string;
  readonly headers: readonly Header[];
  /** Request line and headers as sent, one character per byte, with the empty line. */
  readonly head: string;
  readonly body: Buffer;
}

export interface HttpResponseMessage {
  readonly status: number;
  readonly headers: readonly Header[];
}

/** First value of a header, whatever its case; null when absent. */
export function header(headers: readonly Header[], name: string): string | null {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
}

export function readRequests(stream: Buffer): HttpRequestMessage[] {
  const requests: HttpRequestMessage[] = [];
  for (let at = 0; at < stream.length && requests.length < MAX_MESSAGES;) {
    const head = readHead(stream, at);
    const parts = head?.first.split(' ') ?? [];
    const [method = '', uri = '', protocol = ''] = parts;
    if (head === null || parts.length !== 3 || !METHOD.test(method) || !/^HTTP\/\d\.\d$/.test(protocol))
      break;
    const length = bodyLength(head.headers, 0);
    const { body, next } = readBody(stream, head.next, length);
    requests.push({
      offset: at,
      method,
      uri,
      version: protocol.slice('HTTP/'.length),
      headers: head.headers,
      head: head.text,
      body,
    });
    at = next;
  }
  return requests;
}

/** `methods` are those of the requests, in order: answers to HEAD have no body. */
export function readResponses(stream: Buffer, methods: readonly string[]): HttpResponseMessage[] {
  const responses: HttpResponseMessage[] = [];
  for (let at = 0; at < stream.length && responses.length < methods.length;) {
    const head = readHead(stream, at);
    const status = Number(/^HTTP\/\d\.\d (\d{3})(?: |$)/.exec(head?.first ?? '')?.[1]);
    if (head === null || Number.isNaN(status)) break;
    at = head.next;
    // Interim answers, but 101, which ends HTTP on this connection.
    if (status >= 100 && status < 200 && status !== 101) continue;
    const bare = methods[responses.length] === 'HEAD' || status === 204 || status === 304;
    responses.push({ status, headers: head.headers });
    if (status === 101) break;
    if (!bare) at = readBody(stream, at, bodyLength(head.headers, Infinity)).next;
  }
  return responses;
}

/** Does a client's stream begin like an HTTP/1 request? */
export function looksLikeHttp(stream: Buffer): boolean {
  return /^[A-Z][A-Z_-]{1,19} \S{1,2000} HTTP\/\d\.\d\r?\n/.test(stream.toString('latin1', 0, 2048));
}

interface Head {
  readonly first: string;
  readonly headers: readonly Header[];
  readonly text: string;
  readonly next: number;
}

/** A head that the stream cuts off is read as far as it goes, when its first line is whole. */
function readHead(stream: Buffer, start: number): Head | null {
  const window = stream.subarray(start, start + MAX_HEAD_BYTES);
  const crlf = window.indexOf('\r\n\r\n', 0, 'latin1');
  const lf = window.indexOf('\n\n', 0, 'latin1');
  const bare = lf !== -1 && (crlf === -1 || lf < crlf);
  const end = bare ? lf + 2 : crlf === -1 ? window.length : crlf + 4;
  const text = window.toString('latin1', 0, end);
  if (!text.includes('\n')) return null;
  const [first = '', ...lines] = text.split('\n', MAX_HEADERS + 1).map((line) => line.replace(/\r$/, ''));
  const headers = lines.flatMap((line): Header[] => {
    const colon = line.indexOf(':');
    return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
  });
  return { first, headers, text, next: start + end };
}

/** Bytes of the body, or `chunked`; `otherwise` when the head does not say. */
function bodyLength(headers: readonly Header[], otherwise: number): number | 'chunked' {
  if (header(headers, 'transfer-encoding')?.toLowerCase().includes('chunked') === true) return 'chunked';
  const length = header(headers, 'content-length');
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : otherwise;
}

function readBody(stream: Buffer, start: number, length: number | 'chunked'): { body: Buffer; next: number } {
  if (length === 'chunked') return readChunks(stream, start);
  const next = Math.min(stream.length, start + length);
  return { body: stream.subarray(start, next), next };
}

function readChunks(stream: Buffer, start: number): { body: Buffer; next: number } {
  const parts: Buffer[] = [];
  let at = start;
  while (at < stream.length) {
    const lineEnd = stream.subarray(at, at + 1024).indexOf('\n');
    const size =
      lineEnd === -1
        ? null
        : /^([0-9a-fA-F]{1,8})[ \t]*(?:;|\r?$)/.exec(stream.toString('latin1', at, at + lineEnd));
    if (size === null) return { body: Buffer.concat(parts), next: stream.length };
    const length = Number.parseInt(size[1] ?? '', 16);
    at += lineEnd + 1;
    if (length === 0) return { body: Buffer.concat(parts), next: afterTrailers(stream, at) };
    parts.push(stream.subarray(at, at + length));
    at = Math.min(stream.length, at + length);
    if (stream[at] === 0x0d) at++;
    if (stream[at] === 0x0a) at++;
  }
  return { body: Buffer.concat(parts), next: stream.length };
}

function afterTrailers(stream: Buffer, start: number): number {
  let at = start;
  while (at < stream.length) {
    const end = stream.indexOf(0x0a, at);
    if (end === -1) return stream.length;
    const empty = end === at || (end === at + 1 && stream[at] === 0x0d);
    at = end + 1;
    if (empty) break;
  }
  return at;
}
