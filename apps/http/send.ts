import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { problem } from './problem.js';
import { isKnown, rangeHolds, readRange } from './range.js';

/** What is not to be looked at, as Cuckoo labels it. */
export const BINARY = 'application/octet-stream; charset=UTF-8';

export interface Download {
  /** Closed when its last byte is out, or when the client is gone. */
  readonly file: FileHandle;
  readonly size: number;
  /** Strong: two downloads with the same one have the same bytes. */
  readonly etag: string;
  readonly modified: Date | null;
}

export interface Label {
  /** Media type. */
  readonly type: string;
  /** What a browser should save it as; null when it is to be looked at. */
  readonly name: string | null;
}

/** @throws `missing` when there is no such file; folders and devices are none */
export async function sendFile(
  reply: FastifyReply,
  file: FileHandle | null,
  label: Label,
  missing: HttpException,
): Promise<void> {
  if (!file) throw missing;
  const stats = await file.stat({ bigint: true });
  if (!stats.isFile()) {
    await file.close();
    throw missing;
  }
  const download = { file, size: Number(stats.size), etag: etagOf(stats), modified: stats.mtime };
  await sendDownload(reply, download, label);
}

/**
 * Streams a file with its length (some clients fail without Content-Length), whole or the range asked for.
 *
 * @throws 416 for a range beyond its end
 */
export async function sendDownload(reply: FastifyReply, download: Download, label: Label): Promise<void> {
  const { file, size, etag, modified } = download;
  const { method, headers } = reply.request;
  const isGet = method === 'GET';
  const validators = { etag, ...(modified && { 'last-modified': modified.toUTCString() }) };
  if (isKnown(headers['if-none-match'], etag)) {
    await file.close();
    await reply
      .code(304)
      .headers(validators)
      .send(isGet ? undefined : nothing());
    return;
  }
  const range = isGet && rangeHolds(headers['if-range'], download) ? readRange(headers.range, size) : null;
  if (range === 'beyond') {
    await file.close();
    void reply.header('content-range', `bytes */${size}`);
    throw problem(416, `The range begins beyond the end: there are ${size} bytes`);
  }
  const { first, last } = range ?? { first: 0, last: size - 1 };
  if (range) void reply.code(206).header('content-range', `bytes ${first}-${last}/${size}`);
  if (label.name !== null) void reply.header('content-disposition', attachment(label.name));
  void reply.headers({
    ...validators,
    'accept-ranges': 'bytes',
    'content-type': label.type,
    'content-length': last - first + 1,
  });
  if (!isGet || size === 0) {
    await file.close();
    await reply.send(nothing());
    return;
  }
  // Never more than was promised, should the file grow meanwhile.
  await reply.send(file.createReadStream({ start: first, end: last }));
}

/** For HEAD: Fastify keeps the length of what is a stream, and reads a whole file to find that out. */
export function nothing(): Readable {
  return Readable.from([]);
}

/** A file that is replaced is another inode; one that grows has another size and time. */
function etagOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `"${[ino, size, mtimeNs].map((part) => part.toString(16)).join('-')}"`;
}

/** @see RFC 6266: names that are no token, or hold what a header cannot, are percent-encoded */
function attachment(name: string): string {
  if (/^[\w.-]+$/.test(name)) return `attachment; filename="${name}"`;
  const encoded = encodeURIComponent(name).replace(/['()*]/g, percent);
  return `attachment; filename*=UTF-8''${encoded}`;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
