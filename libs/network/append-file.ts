import { open, type FileHandle } from 'node:fs/promises';

/**
 * A file written front to back by one owner, in order, from memory that is bounded by the owner: it looks at `pending`.
 * The first failure ends all writing and is told once.
 */
export class AppendFile {
  /** Bytes handed over and not on disk yet. */
  pending = 0;
  private failed = false;
  private queue: { readonly bytes: Buffer; readonly done: (() => void) | undefined }[] = [];
  private running: Promise<void> | null = null;

  private constructor(
    private readonly handle: FileHandle,
    private readonly onFailure: (cause: unknown) => void,
  ) {}

  /** Creates or empties the file. */
  static async create(path: string, onFailure: (cause: unknown) => void): Promise<AppendFile> {
    return new AppendFile(await open(path, 'w', 0o640), onFailure);
  }

  /** `bytes` must stay as they are until `done`. */
  append(bytes: Buffer, done?: () => void): void {
    if (this.failed) {
      done?.();
      return;
    }
    this.pending += bytes.length;
    this.queue.push({ bytes, done });
    this.running ??= this.run();
  }

  /** Waits for what was appended, then closes. Never throws. */
  async close(): Promise<void> {
    while (this.running !== null) await this.running;
    await this.handle.close().catch((cause: unknown) => this.fail(cause));
  }

  private async run(): Promise<void> {
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      try {
        if (!this.failed) await writeAll(this.handle, next.bytes);
      } catch (cause) {
        this.fail(cause);
      }
      this.pending -= next.bytes.length;
      next.done?.();
    }
    this.running = null;
  }

  private fail(cause: unknown): void {
    if (this.failed) return;
    this.failed = true;
    this.onFailure(cause);
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}
