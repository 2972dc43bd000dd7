import { BlockList, isIPv6 } from 'node:net';

/**
 * Addresses no public host has: Cuckoo's list for IPv4, its counterpart for IPv6 (IANA special-purpose registries). Not
 * ::ffff:0:0/96: Node takes every IPv4 address to be in it.
 */
const reserved = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15],
  ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) reserved.addSubnet(network, prefix, 'ipv4'); // prettier-ignore
for (const [network, prefix] of [
  ['::', 127], ['64:ff9b:1::', 48], ['100::', 64], ['2001:db8::', 32], ['fc00::', 7], ['fe80::', 10],
  ['ff00::', 8],
] as const) reserved.addSubnet(network, prefix, 'ipv6'); // prettier-ignore

/** `ip` must be an address. */
export function isPublicAddress(ip: string): boolean {
  return !reserved.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
}
