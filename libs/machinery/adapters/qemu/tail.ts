import type { Readable } from 'node:stream';

/** Bytes kept of what a stream said last. */
const KEEP = 16 << 10;

/** Reads a stream to its end and remembers only the last of it: enough for an error message, whatever is written. */
export class Tail {
  #kept = Buffer.alloc(0);

  constructor(stream: Readable | null) {
    stream?.on('data', (chunk: Buffer) => {
      this.#kept = Buffer.concat([this.#kept, chunk.subarray(-KEEP)]).subarray(-KEEP);
    });
  }

  /** Printable characters only; the rest is dropped. */
  get text(): string {
    return this.#kept.toString('latin1').replaceAll(/[^\x20-\x7e\n]/g, '');
  }

  /** `: line; line`, at most three lines of 200 characters; empty when nothing was said. */
  lastLines(): string {
    const lines = this.text.split('\n').filter((line) => line.trim() !== '');
    const last = lines.slice(-3).map((line) => line.trim().slice(0, 200));
    return last.length === 0 ? '' : `: ${last.join('; ')}`;
  }
}
