import type { FakenetRecord } from '#domain/artifacts.js';
import { AppendFile } from '../append-file.js';

/** No honest analysis asks more; a flood must not fill the disk or hide what came before it. */
const MAX_RECORDS = 20_000;
/** Of one kind, so that a flood of names leaves room for the download. */
const MAX_OF_KIND = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** Not yet on disk. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
const FLUSH_MS = 250;

export interface JournalLimits {
  readonly records?: number;
  readonly ofKind?: number;
  readonly bytes?: number;
}

/** fakenet.jsonl of one task: bounded, and honest about what it left out. */
export class FakenetJournal {
  private readonly counts = new Map<FakenetRecord['kind'], number>();
  private readonly limits: Required<JournalLimits>;
  private lines: string[] = [];
  private linesBytes = 0;
  private written = 0;
  private bytes = 0;
  private omitted = 0;
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  private constructor(
    private readonly file: AppendFile,
    limits: JournalLimits,
  ) {
    this.limits = { records: MAX_RECORDS, ofKind: MAX_OF_KIND, bytes: MAX_BYTES, ...limits };
  }

  static async create(
    path: string,
    onFailure: (cause: unknown) => void,
    limits: JournalLimits = {},
  ): Promise<FakenetJournal> {
    return new FakenetJournal(await AppendFile.create(path, onFailure), limits);
  }

  record(record: FakenetRecord): void {
    if (this.closed) return;
    const ofKind = this.counts.get(record.kind) ?? 0;
    if (this.written >= this.limits.records || ofKind >= this.limits.ofKind) {
      this.omitted++;
      return;
    }
    const line = `${JSON.stringify(record)}\n`;
    const pending = this.file.pending + this.linesBytes;
    if (this.bytes + line.length > this.limits.bytes || pending > MAX_PENDING_BYTES) {
      this.omitted++;
      return;
    }
    this.counts.set(record.kind, ofKind + 1);
    this.written++;
    this.add(line);
  }

  /** Never throws. */
  async close(): Promise<void> {
    if (this.omitted > 0) {
      const note: FakenetRecord = { kind: 'omitted', time: Date.now() / 1000, count: this.omitted };
      this.add(`${JSON.stringify(note)}\n`);
    }
    this.closed = true;
    this.flush();
    await this.file.close();
  }

  private add(line: string): void {
    this.lines.push(line);
    this.linesBytes += line.length;
    this.bytes += line.length;
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  private flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.lines.length === 0) return;
    this.file.append(Buffer.from(this.lines.join('')));
    this.lines = [];
    this.linesBytes = 0;
  }
}
