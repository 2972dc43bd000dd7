import { METHODS } from 'node:http';
import type { Readable } from 'node:stream';

export type Protocol = 'http' | 'tls' | 'smtp' | 'irc' | 'dns' | 'unknown';

/** Enough for any ClientHello: one TLS record. */
const MAX_PEEK_BYTES = 5 + 16 * 1024;

const METHOD_SET: ReadonlySet<string> = new Set(METHODS);
const LONGEST_METHOD = Math.max(...METHODS.map((method) => method.length));

/** What the first bytes of a client say; 'more' when they are too few to tell. */
export function sniff(first: Buffer): Protocol | 'more' {
  if (first.length === 0) return 'more';
  if (first[0] === 0x16) return sniffTls(first);
  const start = first.toString('latin1', 0, LONGEST_METHOD + 1);
  const [word = ''] = /^[A-Za-z-]*/.exec(start) ?? [];
  if (word.length === start.length && word.length <= LONGEST_METHOD) return 'more';
  if (start[word.length] !== ' ') return 'unknown';
  if (METHOD_SET.has(word)) return 'http';
  switch (word.toUpperCase()) {
    case 'EHLO':
    case 'HELO':
      return 'smtp';
    case 'NICK':
    case 'USER':
    case 'PASS':
    case 'CAP':
      return 'irc';
    default:
      return 'unknown';
  }
}

function sniffTls(first: Buffer): 'tls' | 'more' | 'unknown' {
  if (first.length < 6) return 'more';
  // Version 3.x, a ClientHello inside.
  if (first[1] !== 3 || first[5] !== 1) return 'unknown';
  const whole = 5 + first.readUInt16BE(3);
  if (whole > MAX_PEEK_BYTES) return 'unknown';
  return first.length < whole ? 'more' : 'tls';
}

/** The server name of a ClientHello in one record (RFC 6066); null when it has none. Lower case, guest's text. */
export function serverName(hello: Buffer): string | null {
  // Record 5, handshake 4, version 2, random 32; then session id, ciphers, compression, extensions, each with a length.
  let at = 43;
  const skip = (lengthBytes: 1 | 2): void => {
    at += lengthBytes + (at + lengthBytes <= hello.length ? hello.readUIntBE(at, lengthBytes) : 0);
  };
  skip(1);
  skip(2);
  skip(1);
  at += 2;
  while (at + 4 <= hello.length) {
    const type = hello.readUInt16BE(at);
    const end = at + 4 + hello.readUInt16BE(at + 2);
    if (type !== 0) {
      at = end;
      continue;
    }
    // List length 2, type 1 (host name is 0), name length 2.
    if (at + 9 > hello.length || hello.readUInt8(at + 6) !== 0) return null;
    const length = hello.readUInt16BE(at + 7);
    if (length === 0 || length > 255 || at + 9 + length > Math.min(end, hello.length)) return null;
    return hello.toString('latin1', at + 9, at + 9 + length).toLowerCase();
  }
  return null;
}

/**
 * Waits for a client's first bytes and leaves them in the stream. Ends early when `enough`, when the client ends or
 * fails, and after `ms`: then with what there is, maybe nothing.
 */
export async function peek(
  stream: Readable,
  enough: (first: Buffer) => boolean,
  ms: number,
): Promise<Buffer> {
  let seen: Buffer = Buffer.alloc(0);
  return new Promise((resolve) => {
    const look = (): void => {
      // Unshifting makes `readable` fire once more.
      if (seen.length > 0 && stream.readableLength === seen.length) return;
      const bytes = stream.read() as Buffer | null;
      if (bytes === null) return;
      stream.unshift(bytes);
      seen = bytes;
      if (seen.length >= MAX_PEEK_BYTES || enough(seen)) done();
    };
    const done = (): void => {
      clearTimeout(timer);
      stream.off('readable', look).off('end', done).off('close', done);
      resolve(seen);
    };
    const timer = setTimeout(done, ms);
    stream.on('readable', look).on('end', done).on('close', done);
    if (stream.closed || stream.readableEnded) done();
    else look();
  });
}
