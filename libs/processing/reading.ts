import { createReadStream } from 'node:fs';
import { access, lstat } from 'node:fs/promises';

/** Bytes of one line that are kept. */
const MAX_LINE_BYTES = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/**
 * A file in chunks, from its beginning, at most `limit` bytes. A missing file is an empty one. Links are followed
 * only when `path` is the host's own choice.
 */
export async function* chunksOf(path: string, signal: AbortSignal, limit = Infinity): AsyncGenerator<Buffer> {
  if (limit <= 0 || !(await exists(path))) return;
  const end = limit === Infinity ? {} : { end: limit - 1 };
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES, signal, ...end });
  yield* stream as AsyncIterable<Buffer>;
}

/** Lines of a UTF-8 text; what is beyond a MiB of one is dropped. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let held = 0;
  const hold = (part: Buffer): void => {
    const kept = part.subarray(0, Math.max(0, MAX_LINE_BYTES - held));
    if (kept.length > 0) parts.push(kept);
    held += kept.length;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      hold(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      held = 0;
      start = end + 1;
    }
    if (start < chunk.length) hold(chunk.subarray(start));
  }
  if (held > 0) yield Buffer.concat(parts).toString('utf8');
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Is there a plain file, itself no link? */
export async function isPlainFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}
