import { ETHERNET_BYTES, ETHERTYPE } from './ethernet.js';

/** RFC 826, for Ethernet and IPv4: the packet after the Ethernet header. */
const ARP_BYTES = 28;
export const ARP_FRAME_BYTES = ETHERNET_BYTES + ARP_BYTES;
const REQUEST = 1;
const REPLY = 2;
/** Hardware Ethernet, protocol IPv4. */
const ETHERNET_IPV4 = 0x0001_0800;
const LENGTHS = 0x0604;

export interface Arp {
  readonly operation: 'request' | 'reply';
  readonly senderIp: number;
  readonly targetIp: number;
  /** Where the sender's MAC lies in the frame. */
  readonly senderMacAt: number;
}

/** Null for anything that is no ARP for IPv4 over Ethernet. */
export function parseArp(view: DataView, start: number, end: number): Arp | null {
  if (end - start < ARP_FRAME_BYTES) return null;
  const at = start + ETHERNET_BYTES;
  if (view.getUint32(at) !== ETHERNET_IPV4 || view.getUint16(at + 4) !== LENGTHS) return null;
  const code = view.getUint16(at + 6);
  if (code !== REQUEST && code !== REPLY) return null;
  return {
    operation: code === REQUEST ? 'request' : 'reply',
    senderMacAt: at + 8,
    senderIp: view.getUint32(at + 14),
    targetIp: view.getUint32(at + 24),
  };
}

export interface ArpParty {
  readonly mac: Buffer;
  readonly ip: number;
}

/** A whole frame: `from` tells `to` its MAC, or asks for that of `to` when `to.mac` is all ones. */
export function writeArp(bytes: Buffer, at: number, from: ArpParty, to: ArpParty): void {
  const asks = to.mac.every((byte) => byte === 0xff);
  to.mac.copy(bytes, at);
  from.mac.copy(bytes, at + 6);
  bytes.writeUInt16BE(ETHERTYPE.arp, at + 12);
  const arp = at + ETHERNET_BYTES;
  bytes.writeUInt32BE(ETHERNET_IPV4, arp);
  bytes.writeUInt16BE(LENGTHS, arp + 4);
  bytes.writeUInt16BE(asks ? REQUEST : REPLY, arp + 6);
  from.mac.copy(bytes, arp + 8);
  bytes.writeUInt32BE(from.ip, arp + 14);
  if (asks) bytes.fill(0, arp + 18, arp + 24);
  else to.mac.copy(bytes, arp + 18);
  bytes.writeUInt32BE(to.ip, arp + 24);
}
