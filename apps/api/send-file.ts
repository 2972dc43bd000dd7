import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { FastifyReply } from 'fastify';
import type { HttpException } from '@nestjs/common';

/**
 * Streams a file with its length: some clients fail without Content-Length. Links are not followed, for some of these
 * folders take files from guests.
 *
 * @throws `missing` when there is no such file
 */
export async function sendFile(
  reply: FastifyReply,
  path: string,
  type: string,
  missing: HttpException,
): Promise<void> {
  const file = await openFile(path);
  if (!file) throw missing;
  const { handle, size } = file;
  void reply.header('content-type', type).header('content-length', size);
  if (size === 0) {
    await handle.close();
    await reply.send('');
    return;
  }
  // Never more than was promised, should the file grow meanwhile.
  await reply.send(handle.createReadStream({ end: size - 1 }));
}

/** Null when it is not there, or not a file. */
async function openFile(path: string): Promise<{ handle: FileHandle; size: number } | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return null;
    throw error;
  }
  const stats = await handle.stat();
  if (stats.isFile()) return { handle, size: stats.size };
  await handle.close();
  return null;
}
