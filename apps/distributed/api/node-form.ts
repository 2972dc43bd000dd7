import { isIPv6 } from 'node:net';
import { DIALECTS, type Dialect } from '#nodes/dialect.js';
import { readNodeUrl } from '#nodes/address.js';
import { problem } from '../../http/problem.js';
import { boolean, given, type Fields } from '../../http/submission.js';

/** Port of a Cuckoo node that is named by its address alone. */
const CUCKOO_PORT = 8090;
/** Names are one segment of a path, and `?mode=workers` lists them with blanks between them. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._:@-]{0,63}$/u;
const MODE = /^[\p{L}\p{N}._-]{1,64}$/u;
/** What a header can carry. */
const TOKEN = /^[\x21-\x7e]{1,1024}$/;

/** What a form says of a node; what it does not say is undefined. */
export interface NodeForm {
  readonly name?: string;
  readonly url?: string;
  /** Null: it is to have none any more. */
  readonly token?: string | null;
  readonly dialect?: Dialect;
  readonly mode?: string;
  readonly enabled?: boolean;
}

/** Shown to who sends JSON that is no object. */
export const NODE_EXAMPLE = { name: 'node1', url: 'http://10.0.0.5:8090/' };

/** @throws 400 naming the field, NODE_ADDRESS */
export function readNodeForm(fields: Fields): NodeForm {
  const [name, mode, token, enabled] = ['name', 'mode', 'token', 'enabled'].map((key) => given(fields, key));
  const url = readUrl(fields);
  const dialect = readDialect(given(fields, 'dialect'));
  if (name && !NAME.test(name)) {
    throw problem(
      400,
      '"name" must be 1 to 64 letters, digits and any of . _ : @ -, and begin with one of the former',
    );
  }
  if (mode && !MODE.test(mode))
    throw problem(400, '"mode" must be a word of at most 64 characters, such as normal');
  if (token && !TOKEN.test(token)) throw problem(400, '"token" must be 1 to 1024 printable ASCII characters');
  return {
    ...(name && { name }),
    ...(mode && { mode }),
    ...(url !== null && { url }),
    ...(dialect && { dialect }),
    ...(enabled && { enabled: boolean(fields, 'enabled') }),
    // Sent empty it takes the token away.
    ...(fields.has('token') && { token: token ?? null }),
  };
}

/** `ip` is the old way to name a node: a Cuckoo at its usual port. */
function readUrl(fields: Fields): string | null {
  const [url, ip] = [given(fields, 'url'), given(fields, 'ip')];
  if (url !== null) return readNodeUrl(url);
  if (ip === null) return null;
  if (isIPv6(ip)) return readNodeUrl(`http://[${ip}]:${CUCKOO_PORT}/`);
  if (!/^[A-Za-z0-9.-]{1,253}$/.test(ip)) throw problem(400, '"ip" must be an address; "url" takes more');
  return readNodeUrl(`http://${ip}:${CUCKOO_PORT}/`);
}

function readDialect(text: string | null): Dialect | null {
  const dialect = DIALECTS.find((one) => one === text) ?? null;
  if (text !== null && dialect === null)
    throw problem(400, `"dialect" must be one of ${DIALECTS.join(', ')}`);
  return dialect;
}
