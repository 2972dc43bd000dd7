import { on } from 'node:events';
import { open } from 'node:fs/promises';
import type { MessagePort } from 'node:worker_threads';
import type { Sample } from '#domain/task.js';
import { FileFactsBuilder } from '#formats/file-facts.js';

export interface FactsJob {
  /** A file that is being written. */
  readonly path: string;
  /** Tells its size again and again, each time as it is by then, and `end` when it is whole. */
  readonly grown: MessagePort;
}

/** Bytes read at a time. */
const CHUNK = 256 * 1024;

/** Runs in a thread: hashes, and what libmagic makes of hostile bytes, take more time than all else of an upload. */
export default async function factsOf({ path, grown }: FactsJob): Promise<Omit<Sample, 'id'>> {
  // Listened to from the start: an upload may be given up before the file is open here.
  const sizes = on(grown, 'message', { close: ['close'] }) as AsyncIterable<[number | 'end']>;
  const facts = new FileFactsBuilder();
  const buffer = Buffer.allocUnsafe(CHUNK);
  await using file = await open(path, 'r');
  let at = 0;
  for await (const [size] of sizes) {
    if (size === 'end') {
      const { size: fileSize, type: fileType, ...hashes } = await facts.finish();
      return { fileSize, fileType, ...hashes };
    }
    while (at < size) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK, size - at), at);
      if (bytesRead === 0) throw new Error(`${path} is shorter than it was`);
      facts.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }
  throw new Error('the upload ended early');
}
