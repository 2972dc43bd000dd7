import type { Readable } from 'node:stream';

/** Characters kept of what a program said last. */
const KEPT = 4096;
/** Of them, in a message. */
const SHOWN = 300;

/** A program's messages: the last of them are kept, printable characters only. */
export class LastWords {
  text = '';
  private listener: (() => void) | null = null;

  constructor(stream: Readable) {
    stream.on('error', () => undefined); // its end says it all
    stream.on('data', (chunk: Buffer) => {
      this.text = (this.text + chunk.toString('latin1').replace(/[^\x20-\x7e\n]/g, '')).slice(-KEPT);
      if (chunk.includes(0x0a)) this.listener?.();
    });
  }

  /** Resolves at the next line, or when `signal` aborts. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.listener = null;
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.listener = done;
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  /** `: line; line`, without tcpdump's greeting and counters; empty when nothing was said. */
  last(): string {
    const lines = this.text
      .split('\n')
      .map((line) => line.replace(/^tcpdump: /, '').trim())
      .filter((line) => line !== '' && !/^listening on |^\d+ packets? /.test(line));
    return lines.length === 0 ? '' : `: ${lines.slice(-3).join('; ').slice(0, SHOWN)}`;
  }
}
