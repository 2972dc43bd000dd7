import type { Endpoint } from '#domain/artifacts.js';
import { ipToNumber } from '../userspace/addresses.js';
import { PROTOCOL } from '../userspace/ipv4.js';

const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;

/**
 * Gives an untagged Ethernet frame with TCP or UDP over IPv4 another destination address and port, in place. Checksums are
 * brought up to date from what they were (RFC 1624), so a wrong one stays wrong. Other frames stay as they are.
 */
export function readdress(frame: Buffer, to: Endpoint): void {
  if (frame.length < ETHERNET_BYTES + 20 || frame.readUInt16BE(12) !== IPV4) return;
  const ip = frame.subarray(ETHERNET_BYTES);
  const payload = ip.subarray((ip.readUInt8(0) & 15) * 4);
  const tcp = ip.readUInt8(9) === PROTOCOL.tcp;
  const checksumAt = tcp ? 16 : 6;
  if (payload.length < checksumAt + 2) return;
  const address = ipToNumber(to.ip);
  const words: [number, number][] = [
    [ip.readUInt16BE(16), address >>> 16],
    [ip.readUInt16BE(18), address & 0xffff],
  ];
  update(ip, 10, words);
  words.push([payload.readUInt16BE(2), to.port]);
  // In UDP 0 says that there is none.
  if (tcp || payload.readUInt16BE(checksumAt) !== 0) update(payload, checksumAt, words);
  ip.writeUInt32BE(address, 16);
  payload.writeUInt16BE(to.port, 2);
}

/** HC' = ~(~HC + ~m + m') for every word m that becomes m'. */
function update(bytes: Buffer, at: number, words: readonly (readonly [number, number])[]): void {
  let sum = ~bytes.readUInt16BE(at) & 0xffff;
  for (const [before, after] of words) sum += (~before & 0xffff) + after;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.writeUInt16BE(~sum & 0xffff, at);
}
