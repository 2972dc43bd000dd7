import type { Duplex } from 'node:stream';
import type { Transcript } from './conversation.js';

/** Longest line of SMTP, IRC and FTP by far; the rest of a longer one is thrown away. */
const MAX_LINE_BYTES = 4096;

const LF = 10;

/** A line-based conversation: `read` gives what the client said, `say` answers. Closing it leaves the stream as it is. */
export class LineChannel {
  private readonly chunks: AsyncIterator<Buffer>;
  private pending: Buffer = Buffer.alloc(0);
  private at = 0;

  constructor(
    private readonly stream: Duplex,
    readonly said: Transcript,
  ) {
    const iterable = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    this.chunks = iterable[Symbol.asyncIterator]();
  }

  say(...lines: readonly string[]): void {
    if (this.stream.writable) this.stream.write(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** The next line without its end, as latin1 (guest's text); null when the client has ended. */
  async read(): Promise<string | null> {
    let line = '';
    for (;;) {
      const end = this.pending.indexOf(LF, this.at);
      const until = end === -1 ? this.pending.length : end;
      line += this.pending.toString(
        'latin1',
        this.at,
        Math.min(until, this.at + MAX_LINE_BYTES - line.length),
      );
      this.at = until + 1;
      if (end !== -1) return line.replace(/\r$/, '');
      const next = await this.chunks.next();
      if (next.done === true) return line === '' ? null : line;
      this.pending = next.value;
      this.at = 0;
      this.said.add(next.value);
    }
  }

  /** Gives the stream back. What was read ahead is forgotten: nothing said before STARTTLS may count after it. */
  async release(): Promise<void> {
    await this.chunks.return?.();
  }
}
