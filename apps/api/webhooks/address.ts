import { lookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { isPublicAddress } from '#formats/net-ranges.js';

/** IPv6 forms that lead to an IPv4 address, or to a site's own: NAT64, 6to4, Teredo, compatible, site-local. */
const detours = new BlockList();
for (const [network, prefix] of [
  ['64:ff9b::', 96], ['2002::', 16], ['2001::', 32], ['::', 96], ['fec0::', 10],
] as const) detours.addSubnet(network, prefix, 'ipv6'); // prettier-ignore

/** False for loopback, link-local (cloud metadata is there), private and reserved addresses. */
export function isOutside(ip: string): boolean {
  return isPublicAddress(ip) && !(isIPv6(ip) && detours.check(ip, 'ipv6'));
}

const refusal = (host: string, ip: string): Error =>
  new Error(
    `${host === ip ? ip : `${host} is ${ip}, which`} is an address of this network; [webhooks] allow_private in cuckoo.conf allows it`,
  );

/** A URL's host when it is an address, without brackets; null when it is a name. */
function literal(url: URL): string | null {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 0 ? null : host;
}

/** @throws when the host is written as an address that must not be reached; a name is judged when it is looked up */
export function mustBeOutside(url: URL): void {
  const ip = literal(url);
  if (ip !== null && !isOutside(ip)) throw refusal(ip, ip);
}

/**
 * For `lookup` of a request: what was looked up is what is connected to, so a name whose address changes afterwards gains
 * nothing. One forbidden address among several refuses the name.
 */
export const lookupOutside: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    const inside = error ? undefined : addresses.find(({ address }) => !isOutside(address));
    const failure = error ?? (inside && refusal(host, inside.address));
    const [first] = (addresses as readonly LookupAddress[] | undefined) ?? [];
    if (failure || !first) callback(failure ?? new Error(`${host} has no address`), '', 0);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
