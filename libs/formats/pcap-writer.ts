/** https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html section 4. */
export const PCAP_HEADER_BYTES = 24;
export const PCAP_RECORD_BYTES = 16;

/** LINKTYPE_ETHERNET. */
const ETHERNET = 1;

/** What tcpdump writes: nothing is ever cut. */
const SNAPLEN = 262_144;

/** The file header: little-endian, microseconds, Ethernet. */
export function pcapHeader(): Buffer {
  const header = Buffer.alloc(PCAP_HEADER_BYTES);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(SNAPLEN, 16);
  header.writeUInt32LE(ETHERNET, 20);
  return header;
}

/** Writes the header of a whole packet of `length` bytes in front of it. `time` is Unix milliseconds, with fractions. */
export function writePcapRecord(view: DataView, at: number, time: number, length: number): void {
  const seconds = Math.floor(time / 1000);
  view.setUint32(at, seconds, true);
  view.setUint32(at + 4, Math.min(999_999, Math.floor((time - seconds * 1000) * 1000)), true);
  view.setUint32(at + 8, length, true);
  view.setUint32(at + 12, length, true);
}
