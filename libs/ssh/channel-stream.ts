import { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { SshError } from './ssh-error.js';

/** Bytes of a program's complaint that are kept for the error. */
const MAX_STDERR = 2000;

/**
 * A channel of ssh2 as a stream that behaves: ssh2's own ones never call back a write after the end and do not
 * close when destroyed. Ends with an error when the remote program failed, saying what it wrote to stderr.
 */
export class ChannelStream extends Duplex {
  readonly #channel: ClientChannel;
  #complaint = '';

  /** `what` names it in errors. */
  constructor(channel: ClientChannel, what: string) {
    super();
    this.#channel = channel;
    channel.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) channel.pause();
    });
    channel.on('error', (cause: Error) => this.destroy(cause));
    channel.stderr.on('data', (chunk: Buffer) => {
      this.#complaint = (this.#complaint + chunk.toString()).slice(0, MAX_STDERR);
    });
    // A program's output ends before its status is known: whoever reads must not take a failure for an end.
    if (channel.type !== 'session') channel.on('end', () => this.push(null));
    channel.on('close', (code?: number | null) => {
      if (code === undefined || code === 0) {
        this.#end();
        return;
      }
      const said = this.#complaint.trim() || 'it gave no reason';
      this.destroy(new SshError('refused', `${what} ended with ${code ?? 'a signal'}: ${said}`));
    });
  }

  /** What is buffered can still be read. */
  #end(): void {
    if (this.readableEnded) {
      this.destroy();
      return;
    }
    this.once('end', () => this.destroy());
    if (this.#channel.type === 'session') this.push(null);
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // A write that meets a closed channel is never called back; `destroy` on close answers for it.
    this.#channel.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#channel.resume(); // what nobody reads must not hold the connection up
    this.#channel.close();
    done(error);
  }
}
