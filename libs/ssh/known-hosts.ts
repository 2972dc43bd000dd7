import { createHmac } from 'node:crypto';

/** One line of a known_hosts file. */
export interface KnownHost {
  readonly patterns: readonly string[];
  /** E.g. `ssh-ed25519`. */
  readonly type: string;
  readonly key: Buffer;
  readonly marker: '@revoked' | null;
}

export type Verdict = 'known' | 'unknown' | 'changed' | 'revoked';

/**
 * Reads known_hosts: `[marker] hosts keytype base64-key [comment]`, `hosts` being comma-separated patterns or one
 * hashed name `|1|salt|hash`. Lines that are none of that are passed over, as OpenSSH does, and so are
 * `@cert-authority` lines: certificates are not supported.
 *
 * @see sshd(8), SSH_KNOWN_HOSTS FILE FORMAT
 */
export function parseKnownHosts(text: string): readonly KnownHost[] {
  return text.split('\n').flatMap((line): readonly KnownHost[] => {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') === true ? words.shift() : null;
    const [hosts, type, base64] = words;
    if (hosts === undefined || type === undefined || base64 === undefined || hosts.startsWith('#')) return [];
    if (marker !== null && marker !== '@revoked') return [];
    return [{ patterns: hosts.split(','), type, key: Buffer.from(base64, 'base64'), marker }];
  });
}

/** The lines about a server. A port other than 22 is part of the name: `[host]:port`. */
export function linesFor(
  known: readonly KnownHost[],
  server: { readonly host: string; readonly port: number },
): readonly KnownHost[] {
  const host = server.host.toLowerCase();
  const name = server.port === 22 ? host : `[${host}]:${server.port}`;
  return known.filter(({ patterns }) => {
    if (patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1), name))) return false;
    return patterns.some((pattern) => fits(pattern, name));
  });
}

/** What `lines`, those about the server, say about `key`, its wire form (RFC 4253 section 6.6). */
export function verdict(lines: readonly KnownHost[], key: Buffer): Verdict {
  const same = lines.filter((line) => line.key.equals(key));
  if (same.some((line) => line.marker === '@revoked')) return 'revoked';
  if (same.length > 0) return 'known';
  // A key of another type than those known is a change too: a server in between would offer just that.
  return lines.some((line) => line.marker === null) ? 'changed' : 'unknown';
}

/** The first string of a key's wire form. */
export function keyType(key: Buffer): string {
  if (key.length < 4) return 'unreadable';
  const name = key.toString('latin1', 4, 4 + key.readUInt32BE(0));
  return /^[\w@.-]{1,64}$/.test(name) ? name : 'unreadable';
}

function fits(pattern: string, name: string): boolean {
  const [, version, salt, hash] = pattern.split('|');
  if (version !== undefined) {
    if (version !== '1' || salt === undefined || hash === undefined) return false;
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  return wildcard(pattern.toLowerCase(), name);
}

/** `*` is any run of characters, `?` any one; no regular expression, whose back-tracking a long line could abuse. */
function wildcard(pattern: string, name: string): boolean {
  let [at, from] = [0, 0];
  let [star, resume] = [-1, 0];
  while (from < name.length) {
    if (at < pattern.length && pattern[at] === '*') {
      star = at++;
      resume = from;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[from])) {
      at += 1;
      from += 1;
    } else if (star >= 0) {
      at = star + 1;
      from = ++resume;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
