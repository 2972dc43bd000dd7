import type { FileReport } from '#domain/report.js';
import { FileFactsBuilder } from '#formats/file-facts.js';
import { UrlFinder } from '#formats/urls.js';
import { chunksOf } from './reading.js';

/** Bytes of a file searched for URLs. */
const URL_BYTES = 16 * 1024 * 1024;

/** How the report calls a file. */
export interface Called {
  readonly path: string;
  readonly name: string;
}

/** Reads `file` once for everything the report says about a file. */
export async function reportFile(
  { file, ...called }: Called & { readonly file: string },
  signal: AbortSignal,
): Promise<FileReport> {
  return reportChunks(chunksOf(file, signal), called, signal);
}

/** The same of bytes that are no file of their own. */
export async function reportChunks(
  chunks: AsyncIterable<Buffer>,
  { path, name }: Called,
  signal: AbortSignal,
): Promise<FileReport> {
  const facts = new FileFactsBuilder();
  const urls = new UrlFinder();
  let searched = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    facts.update(chunk);
    if (searched < URL_BYTES) urls.push(chunk.subarray(0, URL_BYTES - searched));
    searched += chunk.length;
  }
  return { name, path, ...(await facts.finish()), yara: [], urls: urls.finish() };
}
