import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { SandboxError } from '#domain/errors.js';

/**
 * Anybody who reaches this API may run code in guests and read every sample: off this host only with a token.
 *
 * @throws CONFIG_INVALID
 */
export async function mustBeSafe(host: string, token: string): Promise<void> {
  if (token !== '' || (await isLoopback(host))) return;
  throw new SandboxError(
    'CONFIG_INVALID',
    `the API would listen on ${host} without authentication; set api_token in [cuckoo] of cuckoo.conf, or listen on 127.0.0.1`,
  );
}

async function isLoopback(host: string): Promise<boolean> {
  const addresses =
    isIP(host) > 0 ? [host] : (await lookup(host, { all: true })).map((found) => found.address);
  return addresses.every((address) => /^127\.|^::1$|^::ffff:127\./.test(address));
}
