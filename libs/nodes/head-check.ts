import { quoted } from '#domain/quoted.js';
import type { ReportKind } from './report-kind.js';

/**
 * What a capture begins with: pcap with microseconds or nanoseconds, in either byte order, or pcapng.
 *
 * @see https://www.ietf.org/archive/id/draft-gharris-opsawg-pcap-01.html section 4
 * @see https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html section 4.1
 */
const CAPTURES: readonly string[] = ['d4c3b2a1', 'a1b2c3d4', '4d3cb2a1', 'a1b23c4d', '0a0d0d0a'];
/** gzip, bzip2, zip, and a zip without members. */
const ARCHIVES: readonly string[] = ['1f8b', '425a68', '504b0304', '504b0506'];
/** A block of tar, at whose place 257 it says so; one of zeros ends an archive, also an empty one. */
const HEAD_BYTES = 512;
const USTAR_AT = 257;

/** Sees by its beginning whether what comes can be a report of this kind; a page of a server on the way is none. */
export class HeadCheck {
  #head = Buffer.alloc(0);

  constructor(private readonly kind: Exclude<ReportKind, 'json'>) {}

  /** @throws when it cannot */
  add(chunk: Buffer): void {
    if (this.#head.length >= HEAD_BYTES) return;
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES - this.#head.length)]);
    if (this.#head.length >= HEAD_BYTES) this.#judge();
  }

  /** @throws when it ended before that could be seen, and is none */
  end(): void {
    if (this.#head.length < HEAD_BYTES) this.#judge();
  }

  #judge(): void {
    if (!isOf(this.kind, this.#head)) throw new Error(`it begins with ${quoted(this.#head.subarray(0, 16))}`);
  }
}

function isOf(kind: Exclude<ReportKind, 'json'>, head: Buffer): boolean {
  const hex = head.toString('hex', 0, 4);
  switch (kind) {
    case 'capture':
      return CAPTURES.includes(hex);
    case 'pdf':
      return head.toString('latin1').startsWith('%PDF-');
    case 'archive':
      return ARCHIVES.some((magic) => hex.startsWith(magic)) || isTar(head);
    case 'html':
      return isMarkup(head);
    case 'xml':
      return isMarkup(head) && !isPage(head);
    case 'other':
      return !isPage(head);
  }
}

function isTar(head: Buffer): boolean {
  if (head.length < HEAD_BYTES) return false;
  return head.toString('latin1', USTAR_AT, USTAR_AT + 5) === 'ustar' || head.every((byte) => byte === 0);
}

function isMarkup(head: Buffer): boolean {
  return /^(?:\ufeff)?\s*</.test(head.toString('utf8'));
}

function isPage(head: Buffer): boolean {
  const text = head.toString('utf8');
  return isMarkup(head) && /<(?:!doctype\s+html|html|head|body)\b|^\W*(?:title|h1)\b/i.test(text);
}
