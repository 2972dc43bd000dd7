import { formatIPv6 } from './ipv6.js';

/** Network packets down to their transport payload. Damaged ones are null, never an error. */

export interface IpPacket {
  readonly src: string;
  readonly dst: string;
  /** IP protocol number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6. */
  readonly protocol: number;
  readonly payload: Buffer;
  /** Set when this is only a part of a packet. `offset` in bytes. */
  readonly fragment: { readonly id: number; readonly offset: number; readonly more: boolean } | null;
}

export interface TcpSegment {
  readonly sport: number;
  readonly dport: number;
  readonly sequence: number;
  readonly syn: boolean;
  readonly ack: boolean;
  readonly fin: boolean;
  readonly rst: boolean;
  readonly payload: Buffer;
}

export interface UdpDatagram {
  readonly sport: number;
  readonly dport: number;
  readonly payload: Buffer;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** 802.1Q, 802.1ad and its predecessor. */
const VLAN_TAGS = new Set([0x8100, 0x88a8, 0x9100]);
/** Stacked tags beyond this are no network we know. */
const MAX_VLAN_TAGS = 4;
/** More extension headers than RFC 8200 defines. */
const MAX_EXTENSIONS = 8;

/** The IP packet inside a frame of a LINKTYPE_; null when there is none or the link type is unknown. */
export function readFrame(linkType: number, frame: Buffer): IpPacket | null {
  switch (linkType) {
    case 1: // Ethernet
      return frame.length < 14 ? null : readTagged(frame, 12);
    case 0: // BSD loopback: address family in the byte order of the machine
    case 108:
      return readIp(frame.subarray(4));
    case 12: // raw IP, as some systems number it
    case 14:
    case 101: // raw IP
    case 228:
    case 229:
      return readIp(frame);
    case 113: // Linux cooked
      return frame.length < 16 ? null : readTagged(frame, 14);
    case 276: // Linux cooked, version 2: the type comes first
      return frame.length < 20 ? null : readIp(frame.subarray(20));
    case 9: // PPP, with or without HDLC framing
      return readIp(frame.subarray(frame[0] === 0xff ? 4 : 2));
    default:
      return null;
  }
}

/** `at` is where the EtherType is; VLAN tags stand before it. */
function readTagged(frame: Buffer, at: number): IpPacket | null {
  for (let tags = 0; tags <= MAX_VLAN_TAGS && at + 2 <= frame.length; tags++, at += 4) {
    const type = frame.readUInt16BE(at);
    if (type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6) return readIp(frame.subarray(at + 2));
    if (!VLAN_TAGS.has(type)) return null;
  }
  return null;
}

export function readIp(bytes: Buffer): IpPacket | null {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return readIpv4(bytes);
  return version === 6 ? readIpv6(bytes) : null;
}

function readIpv4(bytes: Buffer): IpPacket | null {
  if (bytes.length < 20) return null;
  const header = ((bytes[0] ?? 0) & 15) * 4;
  // 0: the network card was to fill it in (segmentation offload).
  const total = bytes.readUInt16BE(2) || bytes.length;
  if (header < 20 || total < header || header > bytes.length) return null;
  const flags = bytes.readUInt16BE(6);
  const offset = (flags & 0x1fff) * 8;
  const more = (flags & 0x2000) !== 0;
  return {
    src: dotted(bytes, 12),
    dst: dotted(bytes, 16),
    protocol: bytes[9] ?? 0,
    payload: bytes.subarray(header, total),
    fragment: more || offset > 0 ? { id: bytes.readUInt16BE(4), offset, more } : null,
  };
}

const dotted = (bytes: Buffer, at: number): string =>
  `${bytes[at] ?? 0}.${bytes[at + 1] ?? 0}.${bytes[at + 2] ?? 0}.${bytes[at + 3] ?? 0}`;

function readIpv6(bytes: Buffer): IpPacket | null {
  if (bytes.length < 40) return null;
  const src = formatIPv6(bytes.subarray(8, 24));
  const dst = formatIPv6(bytes.subarray(24, 40));
  let rest = bytes.subarray(40, 40 + (bytes.readUInt16BE(4) || bytes.length));
  let protocol = bytes[6] ?? 59;
  let fragment: IpPacket['fragment'] = null;
  for (let headers = 0; headers < MAX_EXTENSIONS; headers++) {
    const isFragment = protocol === 44;
    // Hop-by-hop, routing, destination options, mobility: next header, length in eight bytes beyond the first.
    if (!isFragment && protocol !== 0 && protocol !== 43 && protocol !== 60 && protocol !== 135) break;
    if (rest.length < 8) return null;
    if (isFragment) {
      const word = rest.readUInt16BE(2);
      fragment = { id: rest.readUInt32BE(4), offset: word & 0xfff8, more: (word & 1) !== 0 };
    }
    protocol = rest[0] ?? 59;
    rest = rest.subarray(isFragment ? 8 : ((rest[1] ?? 0) + 1) * 8);
    if (isFragment && fragment !== null && fragment.offset > 0) break;
  }
  if (fragment !== null && fragment.offset === 0 && !fragment.more) fragment = null;
  return { src, dst, protocol, payload: rest, fragment };
}

export function readTcp(bytes: Buffer): TcpSegment | null {
  if (bytes.length < 20) return null;
  const header = ((bytes[12] ?? 0) >> 4) * 4;
  if (header < 20 || header > bytes.length) return null;
  const flags = bytes[13] ?? 0;
  return {
    sport: bytes.readUInt16BE(0),
    dport: bytes.readUInt16BE(2),
    sequence: bytes.readUInt32BE(4),
    fin: (flags & 1) !== 0,
    syn: (flags & 2) !== 0,
    rst: (flags & 4) !== 0,
    ack: (flags & 16) !== 0,
    payload: bytes.subarray(header),
  };
}

export function readUdp(bytes: Buffer): UdpDatagram | null {
  if (bytes.length < 8) return null;
  const length = bytes.readUInt16BE(4) || bytes.length;
  return { sport: bytes.readUInt16BE(0), dport: bytes.readUInt16BE(2), payload: bytes.subarray(8, length) };
}
