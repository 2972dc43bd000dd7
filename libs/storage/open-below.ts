import { constants } from 'node:fs';
import { open, readdir, readlink, type FileHandle } from 'node:fs/promises';

/** What `open` answers to a name that is not there, is a link, or cannot be read as a file. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ENAMETOOLONG']);

/**
 * Opens, to read, what `names` lead to from the folder `dir` on: a file, a folder, or something else; `stat` it. Links
 * in `dir` itself are the operator's and followed, below it none is: guests write there, and a link put in place of a
 * folder between a check and the opening would lead anywhere.
 *
 * @returns null when there is no such thing, or a link is in the way
 * @throws the file system's error, such as EACCES
 */
export async function openBelow(dir: string, ...names: readonly string[]): Promise<FileHandle | null> {
  let at = await openOrNull(dir, constants.O_DIRECTORY);
  for (const name of names) {
    if (!at) return null;
    await using folder = at;
    at = await openIn(folder, name);
  }
  return at;
}

/** The same for one name in an open folder. The name is one of ours, or one that `listFolder` gave. */
export function openIn(folder: FileHandle, name: string): Promise<FileHandle | null> {
  // openat(2), which Node does not have, spelled as a path.
  return openOrNull(`${pathOf(folder)}/${name}`, constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** Names in an open folder, sorted. */
export async function listFolder(folder: FileHandle): Promise<readonly string[]> {
  return (await readdir(pathOf(folder))).toSorted();
}

/** What a link in an open folder says; null when it is none. */
export async function readLink(folder: FileHandle, name: string): Promise<string | null> {
  try {
    return await readlink(`${pathOf(folder)}/${name}`);
  } catch (error) {
    if (['ENOENT', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** @see proc(5), /proc/pid/fd: leads to the open folder itself, whatever has its name by now */
function pathOf(folder: FileHandle): string {
  return `/proc/self/fd/${folder.fd}`;
}

async function openOrNull(path: string, flags: number): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | flags);
  } catch (error) {
    if (ABSENT.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
