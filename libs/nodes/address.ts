import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';
import { SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { NodeError } from './error.js';

/** Characters of a URL. */
const LONGEST = 2048;

/**
 * Base URL of a node's REST API as it is kept: with a slash at the end.
 *
 * @throws NODE_ADDRESS
 */
export function readNodeUrl(text: string): string {
  const refuse = (why: string) => new SandboxError('NODE_ADDRESS', `${quoted(text)} ${why}`);
  if (text.length > LONGEST) throw refuse(`is longer than ${LONGEST} characters`);
  // URL would take `http:host`, `http:\\host` and blanks as well: what is meant should be what is written.
  if (!/^https?:\/\/[^\s\\]+$/i.test(text)) throw refuse('is no URL that begins with http:// or https://');
  if (!URL.canParse(text)) throw refuse('is no URL');
  const url = new URL(text);
  // Not shown: it may be a password of somebody's.
  if (url.username !== '' || url.password !== '')
    throw new SandboxError(
      'NODE_ADDRESS',
      'the URL holds a name or a password: a node is given a token instead',
    );
  if (/[?#]/.test(text)) throw refuse('holds a query or a fragment');
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

/** Link-local networks, and where clouds keep the metadata and keys of a host. */
const forbidden = new BlockList();
for (const [network, prefix] of [['169.254.0.0', 16], ['100.100.100.200', 32]] as const)
  forbidden.addSubnet(network, prefix, 'ipv4'); // prettier-ignore
for (const [network, prefix] of [
  ['fe80::', 10], ['fd00:ec2::254', 128], ['fd20:ce::254', 128],
  // 169.254.0.0/16 as IPv4-compatible, by NAT64 and by 6to4; ::ffff:0:0/96 Node knows by itself.
  ['::a9fe:0', 112], ['64:ff9b::a9fe:0', 112], ['2002:a9fe::', 32],
  ['::6464:64c8', 128], ['64:ff9b::6464:64c8', 128], ['2002:6464:64c8::', 48],
] as const) forbidden.addSubnet(network, prefix, 'ipv6'); // prettier-ignore

/** `ip` must be an address. */
export function isLinkLocal(ip: string): boolean {
  if (!isIPv6(ip)) return forbidden.check(ip, 'ipv4');
  return forbidden.check(ip, 'ipv6') || behindNat64(ip).some((inner) => forbidden.check(inner, 'ipv4'));
}

/** Of a site's own NAT64, @see https://www.rfc-editor.org/rfc/rfc8215 */
const LOCAL_NAT64 = Buffer.from('0064ff9b0001', 'hex');
/** Which bytes the IPv4 address is, for prefixes of 48, 56, 64 and 96 bits, @see https://www.rfc-editor.org/rfc/rfc6052 section 2.2 */
const EMBEDDED = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]] as const; // prettier-ignore

/** The IPv4 addresses that an IPv6 address may lead to there: which of them only the site knows. */
function behindNat64(ip: string): string[] {
  const bytes = bytesOf(ip);
  if (!bytes.subarray(0, LOCAL_NAT64.length).equals(LOCAL_NAT64)) return [];
  return EMBEDDED.map((places) => places.map((at) => bytes[at]).join('.'));
}

/** The 16 bytes of an IPv6 address. */
function bytesOf(ip: string): Buffer {
  // URL writes each address in one way, without dots.
  const { hostname } = new URL(`http://[${ip.replace(/%.*$/, '')}]`);
  const [left = [], right = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((half) => half.split(':').filter(Boolean));
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return Buffer.from([...left, ...zeros, ...right].map((word) => word.padStart(4, '0')).join(''), 'hex');
}

function refusal(host: string, ip: string): NodeError {
  const what = host === ip ? ip : `${host} is ${ip}, which`;
  return new NodeError(
    'NODE_ADDRESS',
    `${what} is a link-local address, where clouds keep their metadata; allow_link_local in [nodes] of distributed.conf allows it`,
  );
}

/** @throws NODE_ADDRESS when the host is written as such an address; a name is judged when it is looked up */
export function mustNotBeLinkLocal(url: URL): void {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) !== 0 && isLinkLocal(host)) throw refusal(host, host);
}

/**
 * For `lookup` of a request: what was looked up is what is connected to, so a name whose address changes afterwards gains
 * nothing. One forbidden address among several refuses the name.
 */
export function guarded(lookup: LookupFunction = dnsLookup): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      const addresses = found as unknown as readonly LookupAddress[] | undefined;
      const inside = error ? undefined : addresses?.find(({ address }) => isLinkLocal(address));
      const failure = error ?? (inside && refusal(host, inside.address));
      const [first] = addresses ?? [];
      if (failure || !first) callback(failure ?? new Error(`${host} has no address`), '', 0);
      else if (options.all === true) callback(null, [...(addresses ?? [])]);
      else callback(null, first.address, first.family);
    });
  };
}
