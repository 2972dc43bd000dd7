import { Duplex } from 'node:stream';
import { ipToText } from './addresses.js';
import type { TcpConnection } from './tcp-connection.js';
import type { TcpUser } from './tcp-types.js';

/** Node's own buffer on top of the connection's: one burst of segments. */
const HIGH_WATER_BYTES = 64 * 1024;

/**
 * A connection of the guest as a Node stream. `finish` means that the guest has acknowledged everything. When the guest
 * resets or vanishes, what it sent before can still be read; the error comes after it. Destroying it without an error
 * closes the connection as a kernel would: what was written is delivered; with one, or with data unread, it is reset.
 */
export class TcpStream extends Duplex implements TcpUser {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteFamily = 'IPv4';
  private wanting = false;
  private endDelivered = false;
  private fate: Error | null = null;
  private written: ((error?: Error) => void) | null = null;
  private final: ((error?: Error) => void) | null = null;
  private idleTimer: NodeJS.Timeout | null = null;

  constructor(private readonly connection: TcpConnection) {
    super({
      allowHalfOpen: true,
      readableHighWaterMark: HIGH_WATER_BYTES,
      writableHighWaterMark: HIGH_WATER_BYTES,
    });
    const { localIp, localPort, remoteIp, remotePort } = connection.endpoints;
    this.localAddress = ipToText(localIp);
    this.localPort = localPort;
    this.remoteAddress = ipToText(remoteIp);
    this.remotePort = remotePort;
    connection.user = this;
    // A guest may reset at any moment, also before or after somebody listens: that must never end the process.
    this.on('error', () => undefined);
  }

  /** Bytes received from the guest, in order. */
  get bytesRead(): number {
    return this.connection.receiver.bytes;
  }

  get unread(): number {
    return this.readableLength;
  }

  onOpened(): void {
    this.emit('connect');
  }

  onReadable(): void {
    this.idleTimer?.refresh();
    while (this.wanting) {
      const bytes = this.connection.receiver.inbox.take();
      if (bytes === null) break;
      this.wanting = this.push(bytes);
    }
    if (this.connection.receiver.inbox.length > 0 || !this.connection.receiver.ended || this.endDelivered)
      return;
    this.endDelivered = true;
    this.push(null);
  }

  onWritable(): void {
    this.idleTimer?.refresh();
    if (this.written !== null && this.connection.sendRoom > 0) {
      const { written } = this;
      this.written = null;
      written();
    }
    if (this.final !== null && this.connection.finished) {
      const { final } = this;
      this.final = null;
      final();
    }
  }

  onFailed(error: Error): void {
    this.fate = error;
    this.meetFate();
  }

  override read(size?: number): unknown {
    const bytes: unknown = super.read(size);
    if (this.fate !== null) setImmediate(() => this.meetFate());
    else if (bytes !== null) this.connection.consumed();
    return bytes;
  }

  override _read(): void {
    this.wanting = true;
    this.onReadable();
    this.connection.consumed();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    if (this.fate !== null) {
      done(this.fate);
      return;
    }
    this.connection.send(chunk);
    if (this.connection.sendRoom > 0) done();
    else this.written = done;
  }

  override _final(done: (error?: Error) => void): void {
    if (this.fate !== null) {
      done(this.fate);
      return;
    }
    this.final = done;
    this.connection.finish();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    if (error === null && this.readableLength === 0) this.connection.leave();
    else this.connection.abandon();
    done(error);
  }

  // What HTTP and TLS code expects of a socket.

  setTimeout(ms: number, listener?: () => void): this {
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.idleTimer = ms > 0 ? setTimeout(() => this.emit('timeout'), ms) : null;
    if (listener !== undefined) {
      if (ms > 0) this.once('timeout', listener);
      else this.off('timeout', listener);
    }
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  private meetFate(): void {
    if (this.fate === null || this.destroyed) return;
    if (this.connection.receiver.inbox.length > 0 || this.readableLength > 0) {
      this.onReadable();
      return;
    }
    this.destroy(this.fate);
  }
}
