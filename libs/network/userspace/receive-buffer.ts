/** Blocks start small, because thousands of connections may hold a few bytes each, and grow with the traffic. */
const FIRST_BLOCK_BYTES = 2048;
const MAX_BLOCK_BYTES = 64 * 1024;

/** How much all connections of a stack may hold unread or out of order. */
export interface Budget {
  used: number;
  readonly limit: number;
}

/**
 * Bytes in order that the application has not taken. Copied into blocks, not kept as views: a view of ten bytes would
 * keep the 64 KiB chunk alive that it arrived in, and a guest could make that happen on purpose.
 */
export class ReceiveBuffer {
  private readonly full: Buffer[] = [];
  private block: Buffer | null = null;
  private used = 0;
  private bytes = 0;
  private nextBlockBytes = FIRST_BLOCK_BYTES;

  constructor(private readonly budget: Budget) {}

  get length(): number {
    return this.bytes;
  }

  append(source: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    this.budget.used += end - start;
    let from = start;
    while (from < end) {
      this.block ??= this.newBlock();
      const copied = source.copy(this.block, this.used, from, end);
      this.used += copied;
      from += copied;
      if (this.used < this.block.length) continue;
      this.full.push(this.block);
      this.block = null;
    }
  }

  /** The oldest bytes, now the caller's; null when there are none. */
  take(): Buffer | null {
    const whole = this.full.shift();
    if (whole !== undefined) return this.given(whole);
    if (this.block === null || this.used === 0) return null;
    const part = this.block.subarray(0, this.used);
    // A half-empty block is worth keeping: hand out a copy of what is in it.
    if (this.used * 2 < this.block.length) {
      this.used = 0;
      return this.given(Buffer.from(part));
    }
    this.block = null;
    return this.given(part);
  }

  clear(): void {
    this.budget.used -= this.bytes;
    this.bytes = 0;
    this.full.length = 0;
    this.block = null;
  }

  private given(bytes: Buffer): Buffer {
    this.bytes -= bytes.length;
    this.budget.used -= bytes.length;
    return bytes;
  }

  private newBlock(): Buffer {
    const block = Buffer.allocUnsafe(this.nextBlockBytes);
    this.nextBlockBytes = Math.min(MAX_BLOCK_BYTES, this.nextBlockBytes * 4);
    this.used = 0;
    return block;
  }
}
