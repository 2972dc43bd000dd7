import { createHash } from 'node:crypto';

/**
 * The two hellos at the beginning of a TLS connection, up to version 1.3 (whose hellos look like 1.2's).
 *
 * @see https://www.rfc-editor.org/rfc/rfc8446 section 4.1
 */

/** A hello with post-quantum keys has some 2 KB; the handshake protocol allows 16 MiB. Bytes. */
const MAX_HELLO_BYTES = 64 * 1024;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const SERVER_NAME = 0;
const SUPPORTED_GROUPS = 10;
const EC_POINT_FORMATS = 11;

export interface ClientHello {
  readonly sni: string | null;
  /** Hex. */
  readonly sessionId: string;
  /** https://github.com/salesforce/ja3: MD5, hex. */
  readonly ja3: string;
}

export interface ServerHello {
  /** Hex. */
  readonly sessionId: string;
  readonly random: string;
}

/** Reads big-endian fields; past the end everything is 0 or empty, and `short` says so. */
class Cursor {
  at = 0;
  short = false;

  constructor(readonly bytes: Buffer) {}

  number(size: 1 | 2 | 3): number {
    const part = this.take(size);
    return part.length < size ? 0 : part.readUIntBE(0, size);
  }

  take(size: number): Buffer {
    const part = this.bytes.subarray(this.at, this.at + size);
    this.at += size;
    this.short ||= part.length < size;
    return part;
  }

  /** Bytes with their length before them. */
  vector(lengthSize: 1 | 2): Cursor {
    return new Cursor(this.take(this.number(lengthSize)));
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }
}

export function looksLikeTls(stream: Buffer): boolean {
  return stream.length >= 6 && stream[0] === HANDSHAKE && stream[1] === 3 && (stream[2] ?? 9) <= 4;
}

/** The hello a client's stream begins with; null when it does not, or is cut. */
export function readClientHello(stream: Buffer): ClientHello | null {
  const hello = readHandshake(stream, CLIENT_HELLO);
  if (hello === null) return null;
  const version = hello.number(2);
  hello.take(32);
  const sessionId = hello.vector(1).bytes.toString('hex');
  const ciphers = numbers(hello.vector(2), 2);
  hello.vector(1);
  if (hello.short) return null;

  let sni: string | null = null;
  let groups: number[] = [];
  let formats: number[] = [];
  const types: number[] = [];
  const extensions = hello.vector(2);
  while (!extensions.done) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (extensions.short) break;
    types.push(type);
    if (type === SERVER_NAME) sni ??= serverName(body);
    if (type === SUPPORTED_GROUPS) groups = numbers(body.vector(2), 2);
    if (type === EC_POINT_FORMATS) formats = numbers(body.vector(1), 1);
  }
  const lists = [ciphers, types, groups, formats].map((list) => list.filter((n) => !isGrease(n)).join('-'));
  const ja3 = createHash('md5')
    .update([version, ...lists].join(','))
    .digest('hex');
  return { sni, sessionId, ja3 };
}

export function readServerHello(stream: Buffer): ServerHello | null {
  const hello = readHandshake(stream, SERVER_HELLO);
  if (hello === null) return null;
  hello.number(2);
  const random = hello.take(32).toString('hex');
  const sessionId = hello.vector(1).bytes.toString('hex');
  return hello.short ? null : { random, sessionId };
}

/** Body of the first handshake message, joined over the records that carry it. */
function readHandshake(stream: Buffer, wanted: number): Cursor | null {
  if (!looksLikeTls(stream)) return null;
  const records = new Cursor(stream.subarray(0, MAX_HELLO_BYTES + 4096));
  const parts: Buffer[] = [];
  let length = 0;
  let needed = 4;
  while (length < needed) {
    const type = records.number(1);
    records.number(2);
    const body = records.vector(2).bytes;
    if (type !== HANDSHAKE || body.length === 0) return null;
    parts.push(body);
    length += body.length;
    if (length >= 4 && needed === 4) {
      needed = 4 + Buffer.concat(parts).readUIntBE(1, 3);
      if (needed > MAX_HELLO_BYTES) return null;
    }
  }
  const message = Buffer.concat(parts);
  return message[0] === wanted ? new Cursor(message.subarray(4, needed)) : null;
}

/** List of `type, name` entries; type 0 is a host name. RFC 6066 section 3. */
function serverName(body: Cursor): string | null {
  const list = body.vector(2);
  const type = list.number(1);
  const name = list.vector(2).bytes.toString('latin1');
  return type === 0 && !list.short && name !== '' ? name : null;
}

function numbers(cursor: Cursor, size: 1 | 2): number[] {
  const all: number[] = [];
  while (!cursor.done) all.push(cursor.number(size));
  return all;
}

/** Values that clients throw in at random so that servers learn to ignore them. RFC 8701. */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}
