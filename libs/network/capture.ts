import { PCAP_RECORD_BYTES, pcapHeader, writePcapRecord } from '#formats/pcap-writer.js';
import { AppendFile } from './append-file.js';

/** The file on disk is never further behind than this. */
const FLUSH_MS = 250;

/** Packets per write. */
const SLAB_BYTES = 256 * 1024;

/** A disk this far behind loses packets (they are counted), not the host its memory. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;

/** A guest must not fill the disk; an honest analysis stays far below. */
const MAX_FILE_BYTES = 1024 * 1024 * 1024;

type Slab = ReturnType<typeof Buffer.allocUnsafeSlow>;

export interface CaptureLimits {
  readonly pendingBytes?: number;
  readonly fileBytes?: number;
}

/** dump.pcap of one task. Packets are copied at once and written in order; at any moment the file on disk is valid. */
export class CaptureFile {
  packets = 0;
  /** Of packets, without the file's own headers. */
  bytes = 0;
  /** Packets that were seen and not written. */
  dropped = 0;
  private slab: Slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  private view = new DataView(this.slab.buffer);
  private readonly spare: Slab[] = [];
  private used = 0;
  private timer: NodeJS.Timeout | null = null;
  private fileBytes = 0;
  private readonly limits: Required<CaptureLimits>;

  private constructor(
    private readonly file: AppendFile,
    limits: CaptureLimits,
  ) {
    this.limits = { pendingBytes: MAX_PENDING_BYTES, fileBytes: MAX_FILE_BYTES, ...limits };
    const header = pcapHeader();
    this.fileBytes = header.length;
    file.append(header);
  }

  static async create(
    path: string,
    onFailure: (cause: unknown) => void,
    limits: CaptureLimits = {},
  ): Promise<CaptureFile> {
    return new CaptureFile(await AppendFile.create(path, onFailure), limits);
  }

  /** Takes the frame [start, end) of `frame`. `time` is Unix milliseconds. */
  packet(frame: Buffer, start: number, end: number, time: number): void {
    const length = end - start;
    const record = PCAP_RECORD_BYTES + length;
    const { pendingBytes, fileBytes } = this.limits;
    if (this.file.pending + this.used + record > pendingBytes || this.fileBytes + record > fileBytes) {
      this.dropped++;
      return;
    }
    if (this.used + record > SLAB_BYTES) this.flush();
    writePcapRecord(this.view, this.used, time, length);
    frame.copy(this.slab, this.used + PCAP_RECORD_BYTES, start, end);
    this.used += record;
    this.fileBytes += record;
    this.packets++;
    this.bytes += length;
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** Everything up to now is on disk and the file closed. Never throws. */
  async close(): Promise<void> {
    this.flush();
    await this.file.close();
  }

  private flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.used === 0) return;
    const slab = this.slab;
    this.file.append(slab.subarray(0, this.used), () => {
      if (this.spare.length < 4) this.spare.push(slab);
    });
    this.slab = this.spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.view = new DataView(this.slab.buffer);
    this.used = 0;
  }
}
