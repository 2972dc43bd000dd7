import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { ZipFile } from 'yazl';

/**
 * Files of one folder as a zip, stored as they are (pictures do not shrink), so that the length is known before the
 * first byte is read.
 */
export async function sendZip(reply: FastifyReply, dir: string, names: readonly string[]): Promise<void> {
  const zip = new ZipFile();
  for (const name of names) {
    const { mtime } = await stat(join(dir, name));
    zip.addFile(join(dir, name), name, { compress: false, mtime });
  }
  const output = zip.outputStream as Readable;
  zip.on('error', (error: Error) => output.destroy(error));
  const length = await new Promise<number>((resolve) => {
    // yazl hands the total over; its types do not say so.
    const known = resolve as unknown as () => void;
    zip.end({ forceZip64Format: false, comment: '' }, known);
  });
  void reply.header('content-type', 'application/zip');
  if (length >= 0) void reply.header('content-length', length);
  await reply.send(output);
}
