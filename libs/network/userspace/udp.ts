import { checksum, pseudoHeaderSum, sumWords } from './checksum.js';
import { viewOf } from './framing.js';
import { type Ipv4Packet, PROTOCOL } from './ipv4.js';

export const UDP_BYTES = 8;

export interface Datagram {
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
  /** The receiver's own copy. */
  readonly payload: Buffer;
}

/** RFC 768. Null when malformed; a checksum of 0 means that there is none. */
export function parseUdp(bytes: Buffer, view: DataView, packet: Ipv4Packet): Datagram | null {
  const { start, end } = packet;
  if (end - start < UDP_BYTES) return null;
  const length = view.getUint16(start + 4);
  if (length < UDP_BYTES || start + length > end) return null;
  if (view.getUint16(start + 6) !== 0) {
    const pseudo = pseudoHeaderSum(packet.source, packet.destination, PROTOCOL.udp, length);
    if (checksum(pseudo + sumWords(view, start, start + length)) !== 0) return null;
  }
  return {
    source: packet.source,
    sourcePort: view.getUint16(start),
    destination: packet.destination,
    destinationPort: view.getUint16(start + 2),
    payload: Buffer.from(bytes.subarray(start + UDP_BYTES, start + length)),
  };
}

/** Header and payload, checksum included. */
export function buildUdp(datagram: Datagram): Buffer {
  const udp = Buffer.alloc(UDP_BYTES + datagram.payload.length);
  udp.writeUInt16BE(datagram.sourcePort, 0);
  udp.writeUInt16BE(datagram.destinationPort, 2);
  udp.writeUInt16BE(udp.length, 4);
  datagram.payload.copy(udp, UDP_BYTES);
  const pseudo = pseudoHeaderSum(datagram.source, datagram.destination, PROTOCOL.udp, udp.length);
  // A computed 0 is sent as all ones: 0 says "no checksum".
  udp.writeUInt16BE(checksum(pseudo + sumWords(viewOf(udp), 0, udp.length)) || 0xffff, 6);
  return udp;
}
