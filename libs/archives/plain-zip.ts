import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

/** Zip files have no earlier one. The same members give the same bytes, so that the same container is the same sample. */
const MTIME = new Date(1980, 0, 1);

/** Writes the files as a zip without password that any reader takes, guests' included. */
export async function writePlainZip(
  to: string,
  members: readonly { readonly path: string; readonly file: string }[],
): Promise<void> {
  const zip = new ZipFile();
  const out = zip.outputStream as Readable;
  zip.on('error', (error: Error) => out.destroy(error));
  for (const { path, file } of members) {
    zip.addFile(file, path, { mtime: MTIME, mode: 0o100644, compress: true, forceDosTimestamp: true });
  }
  zip.end();
  await pipeline(out, createWriteStream(to, { flags: 'wx', mode: 0o600 }));
}
