import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { ZipFile } from 'yazl';
import { bytesOf, type FileMember } from './members.js';

/** A zip of the files, stored as they are: pictures do not shrink. Made as it is read, one file in memory at a time. */
export async function* zipOf(members: AsyncIterable<FileMember>): AsyncGenerator<Buffer> {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable & Writable;
  const filled = fill(zip, output, members).catch((error: unknown) => {
    output.destroy(error as Error); // whoever reads it gets the error
  });
  try {
    yield* output as AsyncIterable<Buffer>;
  } finally {
    output.destroy();
    await filled;
  }
}

async function fill(zip: ZipFile, output: Writable, members: AsyncIterable<FileMember>): Promise<void> {
  for await (const member of members) {
    const chunks: Buffer[] = [];
    for await (const chunk of bytesOf(member)) chunks.push(chunk);
    // As one piece, with its checksum before it: there are readers that want to know a stored member's length first.
    zip.addBuffer(Buffer.concat(chunks), member.name, { compress: false, mtime: member.modified });
    if (output.writableNeedDrain) await once(output, 'drain');
  }
  zip.end();
}
