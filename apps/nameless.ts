import { randomUUID } from 'node:crypto';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** A new file in `dir` that is gone once closed, and with this process, however that ends. */
export async function openNameless(dir: string): Promise<FileHandle> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, randomUUID());
  const file = await open(path, 'wx+', 0o600);
  await rm(path, { force: true });
  return file;
}

/** `write` may take less than all, as on a disk that fills up. */
export async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += (await file.write(bytes, at)).bytesWritten;
}

/** Writes a page and takes it away again. @throws what the disk says */
export async function tryToWrite(dir: string): Promise<void> {
  await using file = await openNameless(dir);
  await writeAll(file, Buffer.alloc(4096));
}
