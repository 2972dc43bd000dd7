import type { FileReport } from '#domain/report.js';
import { FileFactsBuilder } from '#formats/file-facts.js';
import { UrlFinder } from '#formats/urls.js';
import { chunksOf } from './reading.js';

/** Bytes of a file searched for URLs. */
const URL_BYTES = 16 * 1024 * 1024;

/** Reads `file` once for everything the report says about a file. `path` and `name` are how the report calls it. */
export async function reportFile(
  { file, path, name }: { readonly file: string; readonly path: string; readonly name: string },
  signal: AbortSignal,
): Promise<FileReport> {
  const facts = new FileFactsBuilder();
  const urls = new UrlFinder();
  let searched = 0;
  for await (const chunk of chunksOf(file, signal)) {
    signal.throwIfAborted();
    facts.update(chunk);
    if (searched < URL_BYTES) urls.push(chunk.subarray(0, URL_BYTES - searched));
    searched += chunk.length;
  }
  return { name, path, ...(await facts.finish()), yara: [], urls: urls.finish() };
}
