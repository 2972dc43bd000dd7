import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { NamedToken } from '#config/tokens.js';
import { SandboxError } from '#domain/errors.js';

/**
 * Anybody who reaches an API of ours may run code in guests and read every sample: off this host only with a token.
 *
 * @param conf the file that would have it, such as `cuckoo.conf`, and the section of its `api_token`
 * @throws CANNOT_LISTEN
 */
export async function mustBeSafe(
  host: string,
  tokens: readonly NamedToken[],
  { file, section } = { file: 'cuckoo.conf', section: 'cuckoo' },
): Promise<void> {
  if (tokens.length > 0 || (await isLoopback(host))) return;
  throw new SandboxError(
    'CANNOT_LISTEN',
    `the API would listen on ${host} without authentication; set api_token in [${section}] of ${file} or a token in [tokens], or listen on 127.0.0.1`,
  );
}

async function isLoopback(host: string): Promise<boolean> {
  const addresses = isIP(host) > 0 ? [host] : await resolve(host);
  return addresses.every((address) => /^127\.|^::1$|^::ffff:127\./.test(address));
}

async function resolve(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (cause) {
    throw new SandboxError('CANNOT_LISTEN', `the API cannot listen on ${JSON.stringify(host)}`, { cause });
  }
}
