import type { Endpoint } from '#domain/artifacts.js';
import { buildUdp } from '../userspace/udp.js';
import { checksum, pseudoHeaderSum, sumWords } from '../userspace/checksum.js';
import { ipToNumber } from '../userspace/addresses.js';
import { viewOf } from '../userspace/framing.js';
import { PROTOCOL, writeIpv4 } from '../userspace/ipv4.js';

export const SYN = 2;
export const ACK = 16;

/** An Ethernet frame with a TCP segment, checksums right. */
export function tcpFrame(
  src: Endpoint,
  dst: Endpoint,
  {
    flags,
    sequence = 0,
    ack = 0,
    text = '',
  }: { flags: number; sequence?: number; ack?: number; text?: string },
): Buffer {
  const tcp = Buffer.alloc(20 + text.length);
  tcp.writeUInt16BE(src.port, 0);
  tcp.writeUInt16BE(dst.port, 2);
  tcp.writeUInt32BE(sequence, 4);
  tcp.writeUInt32BE(ack, 8);
  tcp[12] = 0x50;
  tcp[13] = flags;
  tcp.write(text, 20, 'latin1');
  tcp.writeUInt16BE(tcpChecksum(src.ip, dst.ip, tcp), 16);
  return frame(src.ip, dst.ip, PROTOCOL.tcp, tcp);
}

export function udpFrame(src: Endpoint, dst: Endpoint, text: string): Buffer {
  const [source, destination] = [ipToNumber(src.ip), ipToNumber(dst.ip)];
  const ports = { sourcePort: src.port, destinationPort: dst.port };
  const udp = buildUdp({ source, destination, ...ports, payload: Buffer.from(text, 'latin1') });
  return frame(src.ip, dst.ip, PROTOCOL.udp, udp);
}

export function tcpChecksum(src: string, dst: string, tcp: Buffer): number {
  const pseudo = pseudoHeaderSum(ipToNumber(src), ipToNumber(dst), PROTOCOL.tcp, tcp.length);
  return checksum(pseudo + sumWords(viewOf(tcp), 0, tcp.length));
}

function frame(src: string, dst: string, protocol: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(34 + payload.length);
  bytes.writeUInt16BE(0x0800, 12);
  const header = { source: ipToNumber(src), destination: ipToNumber(dst), protocol, id: 7 };
  writeIpv4(viewOf(bytes), 14, { ...header, payloadBytes: payload.length });
  payload.copy(bytes, 34);
  return bytes;
}
