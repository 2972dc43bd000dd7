import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { JsonLocator, type Located, type Span, type Wanted } from '#formats/json-locate.js';
import { nothing } from '../../http/send.js';

/** Bytes read, and looked at, before others get their turn: a report may be larger than memory. */
const CHUNK = 64 * 1024;

/** What GET /tasks/summary leaves out: what grows with every call the guest makes. */
const DETAILS: Wanted = new Map<string, Wanted | 'member'>([
  ['procmemory', 'member'],
  [
    'behavior',
    new Map([
      ['generic', 'member'],
      ['apistats', 'member'],
      ['processes', 'member'],
    ]),
  ],
  ['debug', 'member'],
  ['screenshots', 'member'],
  ['metadata', 'member'],
]);

/** The member at `path`; null when there is none, or it is null. */
export async function findElement(
  report: FileHandle,
  path: readonly string[],
  signal: AbortSignal,
): Promise<Span | null> {
  const wanted = path.reduceRight<Wanted | 'member'>((below, key) => new Map([[key, below]]), 'member');
  if (wanted === 'member') return null;
  for await (const { value } of locate(report, wanted, signal)) {
    const buffer = Buffer.alloc(4);
    await report.read(buffer, 0, 4, value.start);
    return buffer.toString('latin1') === 'null' ? null : value;
  }
  return null;
}

/** The report without its details. @throws ProtocolError when it is damaged */
export async function summarize(report: FileHandle, signal: AbortSignal): Promise<readonly Span[]> {
  const kept: Span[] = [];
  let start = 0;
  for await (const { cut } of locate(report, DETAILS, signal)) {
    kept.push({ start, end: cut.start });
    start = cut.end;
  }
  return [...kept, { start, end: (await report.stat()).size }];
}

/** Sends parts of a report as one JSON document, with its length, and closes the file. */
export async function sendParts(
  reply: FastifyReply,
  report: FileHandle,
  parts: readonly Span[],
): Promise<void> {
  const length = parts.reduce((sum, { start, end }) => sum + end - start, 0);
  void reply.headers({ 'content-type': 'application/json', 'content-length': length });
  if (reply.request.method === 'HEAD') {
    await report.close();
    await reply.send(nothing());
    return;
  }
  const stream = Readable.from(read(report, parts));
  // Also when the client left before the first byte.
  stream.once('close', () => void report.close());
  await reply.send(stream);
}

async function* locate(report: FileHandle, wanted: Wanted, signal: AbortSignal): AsyncGenerator<Located> {
  const locator = new JsonLocator(wanted);
  for await (const chunk of read(report, [{ start: 0, end: Infinity }])) {
    signal.throwIfAborted();
    yield* locator.push(chunk);
  }
  locator.end();
}

/** Up to the end of the file. */
async function* read(file: FileHandle, spans: readonly Span[]): AsyncGenerator<Buffer> {
  for (const { start, end } of spans) {
    for (let at = start; at < end;) {
      const buffer = Buffer.alloc(Math.min(CHUNK, end - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }
}
