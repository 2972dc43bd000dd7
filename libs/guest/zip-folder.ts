import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { SandboxError } from '#domain/errors.js';
import type { Content } from './body.js';

/** Zip files have no earlier one. The same folder gives the same bytes. */
const MTIME = new Date(1980, 0, 1);

/**
 * The files below `folder` as a zip, stored, not packed: the guest unpacks sooner, and the size is known before the
 * first byte is read. Links and devices are left out.
 *
 * @throws BAD_REQUEST when there is no such folder, or nothing in it
 */
export async function zipFolder(folder: string): Promise<Content> {
  const names = await filesBelow(folder);
  const zip = new ZipFile();
  const size = new Promise<number>((resolve, reject) => {
    zip.on('error', (error: Error) => {
      reject(error);
      (zip.outputStream as Readable).destroy(error); // a file that vanished while the zip is sent
    });
    for (const name of names) {
      const options = { compress: false, mtime: MTIME, mode: 0o100644 };
      zip.addFile(join(folder, name), name.replaceAll(sep, '/'), options);
    }
    // The types know neither the option's default nor the argument.
    const end = zip.end.bind(zip) as (options: object, onSize: (bytes: number) => void) => void;
    end({}, resolve);
  });
  return { size: await size, chunks: () => zip.outputStream as Readable };
}

async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).then(
    (entries) =>
      entries
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name))),
    (cause: unknown) => {
      throw new SandboxError('BAD_REQUEST', `the analyzer folder ${folder} cannot be read`, { cause });
    },
  );
  if (names.length === 0) throw new SandboxError('BAD_REQUEST', `the analyzer folder ${folder} is empty`);
  return names.sort();
}
