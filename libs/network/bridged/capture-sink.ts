import { open } from 'node:fs/promises';
import type { Endpoint } from '#domain/artifacts.js';
import { PcapReader, type CapturedPacket } from '#formats/pcap-reader.js';
import { PCAP_HEADER_BYTES, PCAP_RECORD_BYTES } from '#formats/pcap-writer.js';
import type { AppendFile } from '../append-file.js';
import { readdress } from './readdress.js';

/** Looks at each packet of a capture. */
export interface Watcher {
  /** The destination that the packet was meant for, when it shows another. */
  see(packet: CapturedPacket): Endpoint | null;
  /** The same for packets that had been looked at before it was known. */
  readonly belated: readonly { readonly offset: number; readonly to: Endpoint }[];
}

/** Enough of a frame to give it another destination: Ethernet, IPv4 with options, TCP's header. */
const HEADERS_BYTES = 14 + 60 + 20;

/**
 * Takes the pcap stream of a capturing program to a file that never ends inside a packet and has an upper size; packets
 * beyond that are counted. One chunk at a time: the program waits for the disk, and the kernel counts what it loses.
 */
export class CaptureSink {
  /** In the file. */
  packets = 0;
  /** Not in the file, for its size. */
  omitted = 0;
  /** Bytes of the file that are whole: header and packets. */
  whole = 0;
  private received = 0;
  private full = false;
  /** What has come and is not in the file. */
  private bytes: Buffer = Buffer.alloc(0);
  /** In the file. */
  private written = 0;
  private readonly reader: PcapReader;

  constructor(
    private readonly file: AppendFile,
    private readonly maxBytes: number,
    private readonly watcher: Watcher | null,
  ) {
    this.reader = new PcapReader((packet) => this.packet(packet));
  }

  /** Why the stream is no capture; null when it is one. */
  get problem(): string | null {
    if (this.reader.problem !== null) return this.reader.problem;
    return this.whole < PCAP_HEADER_BYTES ? 'it has no header' : null;
  }

  /** Resolves when what is whole of it is on disk, or the disk has failed. */
  async push(chunk: Buffer): Promise<void> {
    this.received += chunk.length;
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
    if (this.received >= PCAP_HEADER_BYTES) this.whole = Math.max(this.whole, PCAP_HEADER_BYTES);
    this.reader.push(chunk);
    const ready = this.bytes.subarray(0, this.whole - this.written);
    this.bytes = this.full ? Buffer.alloc(0) : this.bytes.subarray(ready.length);
    this.written += ready.length;
    if (ready.length > 0) await new Promise<void>((resolve) => this.file.append(ready, resolve));
  }

  /** The stream has ended: `problem` tells of a last packet that is not whole. */
  end(): void {
    if (!this.full) this.reader.finish();
  }

  /** Mends the first packets of flows, in the closed file. */
  async mend(path: string): Promise<void> {
    const belated = this.watcher?.belated ?? [];
    if (belated.length === 0) return;
    const file = await open(path, 'r+');
    try {
      for (const { offset, to } of belated) {
        const at = offset + PCAP_RECORD_BYTES;
        const frame = Buffer.alloc(Math.min(HEADERS_BYTES, this.whole - at));
        await file.read(frame, 0, frame.length, at);
        readdress(frame, to);
        await file.write(frame, 0, frame.length, at);
      }
    } finally {
      await file.close();
    }
  }

  private packet(packet: CapturedPacket): void {
    const start = packet.offset + PCAP_RECORD_BYTES;
    const end = start + packet.data.length;
    if (this.full || end > this.maxBytes) {
      this.full = true;
      this.omitted++;
      return;
    }
    this.packets++;
    this.whole = end;
    const to = this.watcher?.see(packet) ?? null;
    // Not packet.data: the reader's copy.
    if (to !== null) readdress(this.bytes.subarray(start - this.written, end - this.written), to);
  }
}
