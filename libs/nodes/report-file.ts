import { createHash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { diskError } from '#domain/disk-error.js';
import { reason } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { NodeError } from './error.js';
import { HeadCheck } from './head-check.js';
import { JsonCheck } from './json-check.js';
import type { FetchedReport } from './node.js';
import type { ReportKind } from './report-kind.js';

interface Announced {
  readonly headers: IncomingHttpHeaders;
  /** What must it be? */
  readonly kind: ReportKind;
  /** Bytes. */
  readonly limit: number;
}

/** For people. */
const NAMES: Readonly<Record<ReportKind, string>> = {
  json: 'JSON',
  capture: 'a capture',
  pdf: 'PDF',
  xml: 'XML',
  html: 'HTML',
  archive: 'an archive',
  other: 'a report',
};

/**
 * Writes a report as it comes into the file `to`, and syncs that. After a failure there is no such file.
 *
 * @param what names the node and the call
 * @param chunks rejects when the connection ends before the announced length, or before the last chunk
 * @throws REPORT_INVALID, NO_DISK_SPACE, CAPTURE_FAILED when the disk fails
 */
export async function saveReport(
  what: string,
  chunks: AsyncIterable<Buffer>,
  to: string,
  { headers, kind, limit }: Announced,
): Promise<FetchedReport> {
  const invalid = (why: string, cause?: unknown) =>
    new NodeError('REPORT_INVALID', `${what}: ${why}`, { cause });
  const { 'content-length': length, 'content-encoding': encoding = 'identity' } = headers;
  if (Number(length) > limit) throw invalid(`the report has ${length} bytes, more than the ${limit} allowed`);
  if (encoding !== 'identity') throw invalid(`the report is packed with ${quoted(encoding)}`);
  // Such an answer ends with its connection, whether that was meant or not. The end of JSON can be seen in it.
  if (kind !== 'json' && length === undefined && !/\bchunked$/i.test(headers['transfer-encoding'] ?? ''))
    throw invalid('the answer does not say how long the report is');

  // Of a format that is known its bytes decide: old nodes have one media type for all.
  if (kind === 'other' && /^text\/html\b/i.test(headers['content-type'] ?? ''))
    throw invalid('the node answered with a page');

  const check = kind === 'json' ? new JsonCheck() : new HeadCheck(kind);
  const hash = createHash('sha256');
  let size = 0;
  const file = await onDisk(to, () => open(to, 'w'));
  let kept = false;
  try {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > limit) throw invalid(`the report has more than the ${limit} bytes allowed`);
      try {
        check.add(chunk);
      } catch (cause) {
        throw invalid(`the report is not ${NAMES[kind]}: ${reason(cause)}`, cause);
      }
      hash.update(chunk);
      await onDisk(to, () => file.writeFile(chunk));
    }
    if (size === 0) throw invalid('the report is empty');
    try {
      check.end();
    } catch (cause) {
      const what = kind === 'json' ? 'whole' : NAMES[kind];
      throw invalid(`the report is not ${what}: ${reason(cause)}`, cause);
    }
    await onDisk(to, () => file.sync());
    kept = true;
  } finally {
    await close(file, to, kept);
  }
  return { size, sha256: hash.digest('hex') };
}

async function close(file: FileHandle, path: string, kept: boolean): Promise<void> {
  await onDisk(path, () => file.close());
  if (!kept) await onDisk(path, () => rm(path, { force: true }));
}

async function onDisk<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw diskError(`${path} cannot be written`, cause);
  }
}
