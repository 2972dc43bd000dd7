/** Bytes written by the application and not yet acknowledged, kept as the buffers they came in. */
export class SendQueue {
  private chunks: Buffer[] = [];
  private first = 0;
  /** Bytes of chunks[first] that are acknowledged. */
  private gone = 0;
  private bytes = 0;
  // Where the last copy ended: sending walks forward, so finding the place again costs nothing.
  private cursor = 0;
  private cursorOffset = 0;

  get length(): number {
    return this.bytes;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.bytes -= count;
    this.gone += count;
    for (let chunk = this.chunks[this.first]; chunk !== undefined && this.gone >= chunk.length;) {
      this.gone -= chunk.length;
      this.first++;
      chunk = this.chunks[this.first];
    }
    if (this.first > 64 || this.first === this.chunks.length) {
      this.chunks = this.chunks.slice(this.first);
      this.first = 0;
    }
    this.cursor = this.first;
    this.cursorOffset = -this.gone;
  }

  /** Copies [offset, offset + length) of the queue into `target` at `at`. */
  copy(offset: number, length: number, target: Buffer, at: number): void {
    if (offset < this.cursorOffset) {
      this.cursor = this.first;
      this.cursorOffset = -this.gone;
    }
    let to = at;
    const end = at + length;
    let from = offset;
    while (to < end) {
      const chunk = this.chunks[this.cursor];
      if (chunk === undefined) return;
      const within = from - this.cursorOffset;
      if (within >= chunk.length) {
        this.cursor++;
        this.cursorOffset += chunk.length;
        continue;
      }
      const copied = chunk.copy(target, to, within, Math.min(chunk.length, within + end - to));
      to += copied;
      from += copied;
    }
  }
}
