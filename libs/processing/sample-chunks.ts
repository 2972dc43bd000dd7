import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInflateRaw } from 'node:zlib';
import { parseOptions, type Submission } from '#domain/task.js';
import { findZipMember, type ZipMember } from '#formats/zip-member.js';
import type { AnalysisFolder } from './folder.js';
import { chunksOf } from './reading.js';

/** Path in its archive of the file that was run; null for what is no archive. */
export function memberPath({ category, options }: Pick<Submission, 'category' | 'options'>): string | null {
  return category === 'archive' ? (parseOptions(options).get('filename') ?? '') : null;
}

/** The file that was run, in chunks: the sample, or the member of it. Null when it is not there, and for a URL. */
export async function sampleChunks(
  folder: AnalysisFolder,
  signal: AbortSignal,
): Promise<AsyncIterable<Buffer> | null> {
  const file = await folder.sample();
  const member = memberPath(folder.task.task);
  if (file === null || member === null) return file === null ? null : chunksOf(file, signal);
  const found = await find(file, member);
  return found && unpacked(file, found, signal);
}

async function find(file: string, member: string): Promise<ZipMember | null> {
  await using handle = await open(file, 'r');
  const { size } = await handle.stat();
  const read = async (at: number, length: number): Promise<Buffer> => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at);
    return buffer.subarray(0, bytesRead);
  };
  return await findZipMember({ size, read }, member);
}

/** No more than the size that the archive says. */
async function* unpacked(
  file: string,
  { method, at, packedSize, size }: ZipMember,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (packedSize === 0) return;
  const packed = createReadStream(file, { start: at, end: at + packedSize - 1, signal });
  const plain =
    method === 'stored' ? packed : packed.compose<ReturnType<typeof createInflateRaw>>(createInflateRaw());
  let left = size;
  for await (const chunk of plain as AsyncIterable<Buffer>) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
