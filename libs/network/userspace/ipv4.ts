import { checksum, sumWords } from './checksum.js';

export const IPV4_BYTES = 20;

export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17 } as const;

/** A parsed header. One object is used again for every packet: keep nothing of it. Addresses are unsigned. */
export interface Ipv4Packet {
  source: number;
  destination: number;
  protocol: number;
  /** The payload is [start, end) of the frame's bytes. */
  start: number;
  end: number;
}

/** Why a packet was not taken; each is counted. */
export type Ipv4Problem = 'malformed' | 'checksum' | 'fragment';

/**
 * Reads the header at `start` (RFC 791) of a packet that ends no later than `end`; Ethernet padding is cut off.
 * Fragments are refused: no honest program of a guest with an MTU of 1500 needs them here, and an attacker's would
 * only cost memory.
 */
export function parseIpv4(view: DataView, start: number, end: number, into: Ipv4Packet): Ipv4Problem | null {
  if (end - start < IPV4_BYTES) return 'malformed';
  const first = view.getUint8(start);
  const headerBytes = (first & 0x0f) * 4;
  const total = view.getUint16(start + 2);
  if (first >> 4 !== 4 || headerBytes < IPV4_BYTES || total < headerBytes || start + total > end) {
    return 'malformed';
  }
  if (checksum(sumWords(view, start, start + headerBytes)) !== 0) return 'checksum';
  // More-fragments flag or an offset.
  if ((view.getUint16(start + 6) & 0x3fff) !== 0) return 'fragment';
  into.protocol = view.getUint8(start + 9);
  into.source = view.getUint32(start + 12);
  into.destination = view.getUint32(start + 16);
  into.start = start + headerBytes;
  into.end = start + total;
  return null;
}

/** Writes a header without options in front of `payloadBytes` that follow. */
export function writeIpv4(
  view: DataView,
  at: number,
  packet: { source: number; destination: number; protocol: number; id: number; payloadBytes: number },
): void {
  view.setUint16(at, 0x4500);
  view.setUint16(at + 2, IPV4_BYTES + packet.payloadBytes);
  view.setUint16(at + 4, packet.id);
  // Don't fragment.
  view.setUint16(at + 6, 0x4000);
  view.setUint8(at + 8, 64);
  view.setUint8(at + 9, packet.protocol);
  view.setUint16(at + 10, 0);
  view.setUint32(at + 12, packet.source);
  view.setUint32(at + 16, packet.destination);
  view.setUint16(at + 10, checksum(sumWords(view, at, at + IPV4_BYTES)));
}
