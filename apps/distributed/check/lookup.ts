import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { deadline } from '#domain/deadline.js';
import { reason } from '#domain/errors.js';
import { isLinkLocal } from '#nodes/address.js';
import { fail, ok } from '../../verdict.js';
import { hostOf } from './networks.js';
import type { Hop } from './route.js';

/** Null: it has none, or one that no node may have. */
export async function addressesOf(
  { url, limits, tell }: Hop,
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const host = hostOf(url);
  let addresses = [host];
  if (isIP(host) === 0) {
    try {
      addresses = await lookUp(host, limits.connect, signal);
    } catch (error) {
      signal.throwIfAborted();
      const fix = `correct the URL, or give ${host} an address: in the DNS this host asks (\`getent hosts ${host}\`), or in its /etc/hosts`;
      tell('address', fail(`${host} has no address that this host can find: ${reason(error)}`, fix));
      return null;
    }
  }
  const inner = limits.linkLocal ? undefined : addresses.find(isLinkLocal);
  if (inner !== undefined) {
    const what = host === inner ? host : `${host} is ${inner}, which`;
    const fix =
      'give the URL of a node; if one really is there, allow_link_local = yes in [nodes] of distributed.conf';
    tell('address', fail(`${what} is link-local, where clouds keep their metadata and keys`, fix));
    return null;
  }
  tell('address', ok(host === addresses[0] ? host : `${host} is ${addresses.join(', ')}`));
  return addresses;
}

/** The resolver of the system heeds no signal: what takes too long is left behind. */
async function lookUp(host: string, ms: number, signal: AbortSignal): Promise<string[]> {
  using within = deadline(ms, signal);
  const late = new Promise<never>((_, reject) => {
    within.signal.addEventListener('abort', () => reject(within.signal.reason as Error), { once: true });
  });
  const found = await Promise.race([lookup(host, { all: true }), late]);
  return found.map(({ address }) => address);
}
