import { STATUS_CODES } from 'node:http';
import type { ErrorCode } from '#domain/errors.js';
import type { Presentation } from './presentation.js';

/** An error as a client is told it. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly code?: ErrorCode;
}

/** What the request said, as far as it got. */
export interface Asked {
  readonly accept?: string | undefined;
  /** As the client wrote it. */
  readonly url?: string;
}

/** docs/errors.md: each code is an anchor there. */
const ERRORS_PAGE = 'urn:malkoha:errors';

/**
 * What the API's clients know, or for a client that asks for `application/problem+json` that.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export function refusalBody(
  refusal: Refusal,
  { accept = '', url }: Asked,
  presentation: Presentation,
): { type: string; body: Buffer } {
  const { status, message, code } = refusal;
  if (!acceptsProblem(accept))
    return { type: 'application/json', body: json(presentation.error(refusal, url)) };
  const kind =
    code === undefined
      ? { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error' }
      : { type: `${ERRORS_PAGE}#${code.toLowerCase()}`, title: titleOf(code) };
  const instance = url === undefined ? {} : { instance: pathOf(url) };
  const problem = { ...kind, status, detail: message, ...instance, message, ...(code && { code }) };
  return { type: 'application/problem+json', body: json(problem) };
}

/** A Buffer: Fastify would add a charset to the type of text. */
function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function acceptsProblem(accept: string): boolean {
  return accept.split(',').some((range) => {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return type === 'application/problem+json' && !parameters.some((one) => /^q=0(\.0*)?$/.test(one));
  });
}

/** `NO_DISK_SPACE` → `No disk space`. */
function titleOf(code: ErrorCode): string {
  return code.charAt(0) + code.slice(1).toLowerCase().replaceAll('_', ' ');
}

/** Any bytes that Node takes for a path, as a URI reference. */
function pathOf(url: string): string {
  const path = `/${url.replace(/[?#].*$/s, '').replace(/^\/+/, '')}`;
  return path.replace(/%(?![0-9a-f]{2})|[^\w%!$&'()*+,;=:@/.~-]/gi, (odd) => encodeURIComponent(odd));
}
