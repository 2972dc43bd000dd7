import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SFTPWrapper } from 'ssh2';

/** Bytes asked for at once; every server answers at least 32 KiB. */
const CHUNK = 32 * 1024;
/** Requests under way: 2 MiB in flight keep a link of 1 Gbit/s and 16 ms busy. */
const IN_FLIGHT = 64;

/** Copies a remote file into the new file `localPath` (mode 0600), which is gone again after a failure. */
export async function fetchFile(
  sftp: SFTPWrapper,
  remotePath: string,
  localPath: string,
  signal: AbortSignal,
): Promise<void> {
  const handle = await new Promise<Buffer>((resolve, reject) =>
    sftp.open(remotePath, 'r', (error, opened) => (error === undefined ? resolve(opened) : reject(error))),
  );
  const local = await open(localPath, 'wx', 0o600);
  try {
    await pipeline(Readable.from(chunks(sftp, handle)), local.createWriteStream(), { signal });
  } catch (error) {
    await rm(localPath, { force: true });
    throw error;
  } finally {
    await local.close().catch(() => undefined); // the stream has closed it already, when it got that far
  }
}

/** The file from its begin, in order, asking ahead. */
async function* chunks(sftp: SFTPWrapper, handle: Buffer): AsyncGenerator<Buffer, void, undefined> {
  const ahead: Promise<Buffer>[] = [];
  let position = 0;
  for (;;) {
    for (; ahead.length < IN_FLIGHT; position += CHUNK) {
      const asked = chunk(sftp, handle, position);
      asked.catch(() => undefined); // whoever gets to it is told; nobody else need be
      ahead.push(asked);
    }
    const next = (await ahead.shift()) ?? Buffer.alloc(0);
    if (next.length > 0) yield next;
    if (next.length < CHUNK) return;
  }
}

/** CHUNK bytes from `position`, or fewer at the end of the file: a server may answer less than it was asked for. */
async function chunk(sftp: SFTPWrapper, handle: Buffer, position: number): Promise<Buffer> {
  const bytes = Buffer.alloc(CHUNK);
  let filled = 0;
  while (filled < CHUNK) {
    const read = await new Promise<number>((resolve, reject) =>
      sftp.read(handle, bytes, filled, CHUNK - filled, position + filled, (error, got) => {
        if (error === undefined) resolve(got);
        else if ((error as { code?: unknown }).code === EOF) resolve(0);
        else reject(error);
      }),
    );
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

/** SSH_FX_EOF */
const EOF = 1;
