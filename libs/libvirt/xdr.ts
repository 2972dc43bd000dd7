import { LibvirtProtocolError } from './error.js';

/** Longest string of libvirt's protocol, bytes (REMOTE_STRING_MAX). */
export const MAX_STRING = 4 * 1024 * 1024;

/** Most elements of a list (REMOTE_DOMAIN_LIST_MAX, the largest of ours). */
const MAX_LIST = 16_384;

/**
 * Builds a value in XDR: big-endian 32-bit units; strings and opaque bytes are padded with zeros to whole units.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4506
 */
export class XdrWriter {
  readonly #parts: Buffer[] = [];

  uint(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeUInt32BE(value);
    this.#parts.push(part);
    return this;
  }

  int(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeInt32BE(value);
    this.#parts.push(part);
    return this;
  }

  /** Bytes whose number both sides know. */
  opaque(bytes: Buffer): this {
    this.#parts.push(bytes, Buffer.alloc(padding(bytes.length)));
    return this;
  }

  /** @throws RangeError when it is longer than the protocol allows */
  string(text: string): this {
    const bytes = Buffer.from(text);
    if (bytes.length > MAX_STRING) {
      throw new RangeError(`libvirt takes strings of ${MAX_STRING} bytes, not ${bytes.length}`);
    }
    return this.uint(bytes.length).opaque(bytes);
  }

  /** A pointer in the protocol's words: whether it is there, then it. */
  optional<T>(value: T | null, write: (writer: this, value: T) => unknown): this {
    this.uint(value === null ? 0 : 1);
    if (value !== null) write(this, value);
    return this;
  }

  end(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads XDR that may be anything: never past its end, never more than was sent. */
export class XdrReader {
  #offset = 0;

  constructor(private readonly bytes: Buffer) {}

  get left(): number {
    return this.bytes.length - this.#offset;
  }

  uint(): number {
    return this.#take(4).readUInt32BE();
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  hyper(): bigint {
    return this.#take(8).readBigUInt64BE();
  }

  bool(): boolean {
    const value = this.uint();
    if (value > 1) throw new LibvirtProtocolError(`a truth value is ${value}, neither 0 nor 1`);
    return value === 1;
  }

  /** A view, not a copy. */
  opaque(length: number): Buffer {
    const bytes = this.#take(length);
    this.#take(padding(length));
    return bytes;
  }

  string(): string {
    const length = this.uint();
    if (length > MAX_STRING)
      throw new LibvirtProtocolError(`a string of ${length} bytes; ${MAX_STRING} are accepted`);
    return this.opaque(length).toString();
  }

  optional<T>(read: (reader: this) => T): T | null {
    return this.bool() ? read(this) : null;
  }

  list<T>(read: (reader: this) => T): readonly T[] {
    const length = this.uint();
    if (length > MAX_LIST) throw new LibvirtProtocolError(`a list of ${length}; ${MAX_LIST} are accepted`);
    return Array.from({ length }, () => read(this));
  }

  #take(length: number): Buffer {
    if (length > this.left) {
      throw new LibvirtProtocolError(
        `${length} bytes expected at ${this.#offset}, where ${this.left} are left`,
      );
    }
    this.#offset += length;
    return this.bytes.subarray(this.#offset - length, this.#offset);
  }
}

function padding(length: number): number {
  return (4 - (length % 4)) % 4;
}
