import { SandboxError } from '#domain/errors.js';

/** https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html section 4. */
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MAGIC = 0xa1b2c3d4;

/** More than QEMU keeps of a packet, which is 64 KiB: a longer one is damage. */
const MAX_PACKET_BYTES = 262_144;

/**
 * Copies a pcap file as QEMU writes it (ts_sec, ts_usec, incl_len, orig_len, each uint32 in the host's byte order, then
 * incl_len bytes) up to a size, whole packets only. Holds a chunk and a packet at most.
 */
export class WholePackets {
  /** Packets beyond the size. */
  omitted = 0;
  #isFull = false;
  #held: Buffer = Buffer.alloc(0);
  #read = 0;

  constructor(private readonly maxBytes: number) {}

  /** @throws CAPTURE_FAILED when what belongs into the copy is no capture, or ends inside a packet */
  async *copy(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let little: boolean | null = null;
    for await (const chunk of chunks) {
      const bytes = Buffer.concat([this.#held, chunk]);
      let at = 0;
      if (little === null && bytes.length >= FILE_HEADER_BYTES) {
        little = bytes.readUInt32LE(0) === MAGIC;
        if (!little && bytes.readUInt32BE(0) !== MAGIC) throw broken('it is no capture file');
        at = FILE_HEADER_BYTES;
      }
      let kept = at;
      while (little !== null) {
        const end = endOfRecord(bytes, at, little);
        if (end > bytes.length) break;
        this.#isFull ||= this.#read + end > this.maxBytes;
        if (this.#isFull) this.omitted++;
        else kept = end;
        at = end;
      }
      this.#read += at;
      this.#held = bytes.subarray(at);
      if (kept > 0) yield bytes.subarray(0, kept);
    }
    // Behind the size nothing is missed.
    if (little === null || (this.#held.length > 0 && !this.#isFull)) throw broken('it ends inside a packet');
  }
}

/** Beyond `bytes` when they do not have all of it. */
function endOfRecord(bytes: Buffer, at: number, little: boolean): number {
  if (at + RECORD_HEADER_BYTES > bytes.length) return Infinity;
  const length = little ? bytes.readUInt32LE(at + 8) : bytes.readUInt32BE(at + 8);
  if (length > MAX_PACKET_BYTES) throw broken(`it has a packet of ${length} bytes`);
  return at + RECORD_HEADER_BYTES + length;
}

function broken(why: string): SandboxError {
  return new SandboxError('CAPTURE_FAILED', `what QEMU captured is not whole: ${why}`);
}
