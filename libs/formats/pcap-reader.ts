/**
 * Reads captures: classic pcap (either byte order, micro- or nanoseconds) and pcapng.
 *
 * @see https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html
 * @see https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
 */

/** tcpdump's own limit for one packet; a longer record is damage. Bytes. */
const MAX_PACKET_BYTES = 262_144;
/** A packet and its options; other blocks (certificates, names) are skipped by the same measure. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
const MAX_INTERFACES = 1024;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const BLOCK_HEADER_BYTES = 8;

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
/** Option of an interface: 10^-n seconds, or 2^-n with the top bit set. */
const IF_TSRESOL = 9;

export interface CapturedPacket {
  /** Unix seconds. */
  readonly time: number;
  /** Of the packet's record in the file. */
  readonly offset: number;
  /** LINKTYPE_ number: https://www.tcpdump.org/linktypes.html */
  readonly linkType: number;
  /** Valid during the callback only. */
  readonly data: Buffer;
}

type State =
  | { readonly format: 'unknown' | 'stopped' }
  | {
      readonly format: 'pcap';
      readonly little: boolean;
      readonly perSecond: number;
      readonly linkType: number;
    }
  | { readonly format: 'pcapng'; readonly little: boolean };

/** Feed it chunks of any size, then call `finish`. */
export class PcapReader {
  /** Why reading ended before the file did; null when it did not. */
  problem: string | null = null;

  readonly #emit: (packet: CapturedPacket) => void;
  #state: State = { format: 'unknown' };
  #interfaces: { linkType: number; perSecond: number }[] = [];
  #parts: Buffer[] = [];
  #held = 0;
  #needed = 4;
  /** File offset of the first byte held. */
  #offset = 0;
  /** Bytes of a block we do not read that are still to come. */
  #skip = 0;

  constructor(emit: (packet: CapturedPacket) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    if (this.#state.format === 'stopped') return;
    this.#parts.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    this.#held += chunk.length;
    if (this.#held < this.#needed) return;
    let bytes = Buffer.concat(this.#parts);
    for (;;) {
      const used = this.#step(bytes);
      if (used === 0) break;
      bytes = bytes.subarray(used);
      this.#offset += used;
    }
    this.#parts = [bytes];
    this.#held = bytes.length;
  }

  finish(): void {
    if (this.#state.format !== 'stopped' && this.#held > 0) this.#stop('the capture ends inside a packet');
  }

  /** Reads one record from the front; gives the bytes used, 0 when more are needed. */
  #step(bytes: Buffer): number {
    if (this.#skip > 0) {
      const used = Math.min(this.#skip, bytes.length);
      this.#skip -= used;
      this.#needed = this.#skip > 0 ? 1 : 4;
      return used;
    }
    const state = this.#state;
    switch (state.format) {
      case 'unknown':
        return this.#start(bytes);
      case 'pcap':
        return this.#record(bytes, state);
      case 'pcapng':
        return this.#block(bytes, state.little);
      case 'stopped':
        return 0;
    }
  }

  #start(bytes: Buffer): number {
    if (!this.#has(bytes, 4)) return 0;
    if (bytes.readUInt32BE(0) === SECTION_HEADER) {
      this.#state = { format: 'pcapng', little: true };
      return this.#block(bytes, true);
    }
    const little = [MAGIC_MICROSECONDS, MAGIC_NANOSECONDS].includes(bytes.readUInt32LE(0));
    const magic = little ? bytes.readUInt32LE(0) : bytes.readUInt32BE(0);
    if (magic !== MAGIC_MICROSECONDS && magic !== MAGIC_NANOSECONDS) return this.#stop('not a capture file');
    if (!this.#has(bytes, FILE_HEADER_BYTES)) return 0;
    // The upper bits say whether frames carry checksums.
    const linkType = (little ? bytes.readUInt32LE(20) : bytes.readUInt32BE(20)) & 0xffff;
    this.#state = { format: 'pcap', little, perSecond: magic === MAGIC_NANOSECONDS ? 1e9 : 1e6, linkType };
    return FILE_HEADER_BYTES;
  }

  /** ts_sec, ts_fraction, incl_len, orig_len, each uint32, then incl_len bytes. */
  #record(bytes: Buffer, state: State & { format: 'pcap' }): number {
    if (!this.#has(bytes, RECORD_HEADER_BYTES)) return 0;
    const read = (at: number): number => (state.little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
    const length = read(8);
    if (length > MAX_PACKET_BYTES) return this.#stop(`a packet of ${length} bytes`);
    if (!this.#has(bytes, RECORD_HEADER_BYTES + length)) return 0;
    const micros = Math.floor((read(4) * 1e6) / state.perSecond);
    this.#emit({
      time: (read(0) * 1e6 + micros) / 1e6,
      offset: this.#offset,
      linkType: state.linkType,
      data: bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + length),
    });
    return RECORD_HEADER_BYTES + length;
  }

  /** Type, total length, body padded to four bytes, total length again. */
  #block(bytes: Buffer, little: boolean): number {
    if (!this.#has(bytes, BLOCK_HEADER_BYTES + 4)) return 0;
    if (bytes.readUInt32BE(0) === SECTION_HEADER) return this.#section(bytes);
    const type = little ? bytes.readUInt32LE(0) : bytes.readUInt32BE(0);
    const length = little ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
    if (length < 12 || length % 4 !== 0) return this.#stop(`a block of ${length} bytes`);
    const wanted = type === ENHANCED_PACKET || type === SIMPLE_PACKET || type === INTERFACE_DESCRIPTION;
    if (!wanted) {
      this.#skip = length;
      return this.#step(bytes);
    }
    if (length > MAX_BLOCK_BYTES) return this.#stop(`a block of ${length} bytes`);
    if (!this.#has(bytes, length)) return 0;
    const body = bytes.subarray(BLOCK_HEADER_BYTES, length - 4);
    if (type === INTERFACE_DESCRIPTION) this.#interface(body, little);
    else if (type === ENHANCED_PACKET) this.#enhanced(body, little);
    else this.#simple(body, little);
    return length;
  }

  #section(bytes: Buffer): number {
    const little = bytes.readUInt32LE(8) === BYTE_ORDER_MAGIC;
    if (!little && bytes.readUInt32BE(8) !== BYTE_ORDER_MAGIC)
      return this.#stop('a section without byte order');
    const length = little ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
    if (length < 28 || length % 4 !== 0) return this.#stop(`a block of ${length} bytes`);
    this.#state = { format: 'pcapng', little };
    this.#interfaces = [];
    this.#skip = length;
    return this.#step(bytes);
  }

  #interface(body: Buffer, little: boolean): void {
    if (body.length < 8 || this.#interfaces.length >= MAX_INTERFACES) return;
    const linkType = little ? body.readUInt16LE(0) : body.readUInt16BE(0);
    let perSecond = 1e6;
    for (let at = 8; at + 4 <= body.length;) {
      const code = little ? body.readUInt16LE(at) : body.readUInt16BE(at);
      const length = little ? body.readUInt16LE(at + 2) : body.readUInt16BE(at + 2);
      if (code === IF_TSRESOL && length === 1 && at + 4 < body.length) {
        const value = body.readUInt8(at + 4);
        perSecond = value < 128 ? 10 ** value : 2 ** (value - 128);
      }
      at += 4 + Math.ceil(length / 4) * 4;
    }
    this.#interfaces.push({ linkType, perSecond });
  }

  /** Interface, timestamp high and low, captured and original length, each uint32, then the packet. */
  #enhanced(body: Buffer, little: boolean): void {
    if (body.length < 20) return;
    const read = (at: number): number => (little ? body.readUInt32LE(at) : body.readUInt32BE(at));
    const from = this.#interfaces[read(0)];
    const length = read(12);
    if (from === undefined || length > MAX_PACKET_BYTES || 20 + length > body.length) return;
    const ticks = (BigInt(read(4)) << 32n) | BigInt(read(8));
    // Whole microseconds, as in the classic format: a float has no room for more beside the epoch.
    const micros = Number((ticks * 1_000_000n) / BigInt(Math.max(1, from.perSecond)));
    this.#emit({
      time: micros / 1e6,
      offset: this.#offset,
      linkType: from.linkType,
      data: body.subarray(20, 20 + length),
    });
  }

  /** Original length, then the packet; it has no time. */
  #simple(body: Buffer, little: boolean): void {
    const [from] = this.#interfaces;
    if (from === undefined || body.length < 4) return;
    const length = Math.min(little ? body.readUInt32LE(0) : body.readUInt32BE(0), body.length - 4);
    if (length > MAX_PACKET_BYTES) return;
    this.#emit({
      time: 0,
      offset: this.#offset,
      linkType: from.linkType,
      data: body.subarray(4, 4 + length),
    });
  }

  #has(bytes: Buffer, needed: number): boolean {
    this.#needed = needed;
    return bytes.length >= needed;
  }

  #stop(problem: string): 0 {
    this.problem = `${problem} (offset ${this.#offset})`;
    this.#state = { format: 'stopped' };
    this.#parts = [];
    this.#held = 0;
    return 0;
  }
}
