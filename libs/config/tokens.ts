import { createHash } from 'node:crypto';
import { isScope, SCOPES, type Scope } from '#domain/scope.js';
import { splitList } from './field.js';
import type { Findings } from './findings.js';
import type { IniEntry } from './ini.js';

export interface NamedToken {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the token, lower-case hex. */
  readonly sha256: string;
}

/** The name that the token of `[cuckoo] api_token` goes by. */
export const API_TOKEN = 'api_token';

/** Characters of a token that is written as it is: fewer can be guessed. */
const MIN_LENGTH = 16;

const ACCEPTED = `scopes (${SCOPES.join(', ')}) separated by commas, a space, then sha256:<64 hex digits> or a token of at least ${MIN_LENGTH} characters`;

/** The section [tokens] of conf/cuckoo.conf, whose keys the operator chooses. */
export const TOKENS_DOC = `[tokens]
# More tokens: each has a name of your choice, the scopes it needs (${SCOPES.join(', ')}), and its SHA-256, so that
# this file does not hold the secret. \`openssl rand -hex 32\` makes one, \`printf %s <token> | sha256sum\` its SHA-256.
# Accepts ${ACCEPTED}.
# siem = read,download sha256:<64 hex digits>
`;

/**
 * All tokens that the API takes: `[cuckoo] api_token`, which may do everything, and the entries of `[tokens]`.
 * Messages never hold a value: it may be a secret.
 */
export function readTokens(
  apiToken: string,
  entries: readonly IniEntry[],
  findings: Findings,
): readonly NamedToken[] {
  const tokens: NamedToken[] =
    apiToken === '' ? [] : [{ name: API_TOKEN, scopes: ['admin'], sha256: sha256(apiToken) }];
  for (const entry of entries) {
    const { key: name } = entry;
    const token = parseToken(entry.value);
    const same = tokens.find((other) => other.sha256 === token?.sha256);
    const why =
      !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name) || name === API_TOKEN
        ? 'a name has letters, digits, ".", "_" and "-", at most 64, and is not api_token'
        : token === null
          ? `expected ${ACCEPTED}`
          : same && `it is the same token as "${same.name}"; each needs one of its own`;
    if (why !== undefined) findings.problem(entry, `[tokens] ${name}: ${why}`);
    else if (token !== null) tokens.push({ name, ...token });
  }
  return tokens;
}

function parseToken(value: string): Omit<NamedToken, 'name'> | null {
  const [, words = '', secret = ''] = /^([a-z]+(?:\s*,\s*[a-z]+)*)\s+([\x21-\x7e]+)$/.exec(value) ?? [];
  const scopes = splitList(words);
  if (scopes.length === 0 || !scopes.every(isScope)) return null;
  if (!secret.startsWith('sha256:'))
    return secret.length < MIN_LENGTH ? null : { scopes, sha256: sha256(secret) };
  const hash = secret.slice('sha256:'.length).toLowerCase();
  return /^[0-9a-f]{64}$/.test(hash) ? { scopes, sha256: hash } : null;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
