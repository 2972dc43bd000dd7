import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { ARTIFACTS } from '#domain/artifacts.js';
import { RUN_MARK } from '#storage/artifacts/run-mark.js';
import { listFolder, openIn, readLink } from '#storage/open-below.js';

/** Folders below one another that are looked into: each keeps one file descriptor. */
const MAX_DEPTH = 32;
/** Bytes read at once. */
const CHUNK = 128 * 1024;

export interface FileMember {
  readonly kind: 'file';
  readonly name: string;
  readonly modified: Date;
  /** Bytes there were when it was opened. */
  readonly size: number;
  /** Open until the next member is asked for. */
  readonly file: FileHandle;
}

export type Member = FileMember | { readonly kind: 'folder'; readonly name: string; readonly modified: Date };

/**
 * What an archive of an open analysis folder holds: files and folders in order, by their names in it, of those whose first
 * name `takes`. What vanishes meanwhile, links, and what is no file is left out; but `binary`, our own link, is the stored
 * sample.
 */
export async function* analysisMembers(
  folder: FileHandle,
  openSample: (sha256: string) => Promise<FileHandle | null>,
  takes: (name: string) => boolean,
): AsyncGenerator<Member> {
  for (const name of (await listFolder(folder)).filter((one) => takes(one) && !one.startsWith(RUN_MARK))) {
    const found = await openIn(folder, name);
    await using entry = found ?? (name === ARTIFACTS.sample ? await sampleOf(folder, openSample) : null);
    if (entry) yield* membersOf(entry, name, 1);
  }
}

/** An open file or folder, and what is below it. */
async function* membersOf(entry: FileHandle, name: string, depth: number): AsyncGenerator<Member> {
  const stats = await entry.stat();
  if (stats.isFile()) yield fileMember(name, entry, stats);
  if (!stats.isDirectory()) return;
  yield { kind: 'folder', name, modified: stats.mtime };
  if (depth === MAX_DEPTH) return;
  for (const below of await listFolder(entry)) {
    await using child = await openIn(entry, below);
    if (child) yield* membersOf(child, `${name}/${below}`, depth + 1);
  }
}

/** The files right in an open folder. */
export async function* filesIn(folder: FileHandle): AsyncGenerator<FileMember> {
  for (const name of await listFolder(folder)) {
    await using file = await openIn(folder, name);
    const stats = await file?.stat();
    if (file && stats?.isFile()) yield fileMember(name, file, stats);
  }
}

/** Only the hash is taken from the link: it leads to a stored sample, whatever else it says. */
async function sampleOf(
  folder: FileHandle,
  openSample: (sha256: string) => Promise<FileHandle | null>,
): Promise<FileHandle | null> {
  const sha256 = basename((await readLink(folder, ARTIFACTS.sample)) ?? '');
  return /^[0-9a-f]{64}$/.test(sha256) ? openSample(sha256) : null;
}

/** Exactly the bytes that were promised: what was added meanwhile is left out, what was cut off is zeros. */
export async function* bytesOf({ file, size }: FileMember): AsyncGenerator<Buffer> {
  for (let at = 0; at < size;) {
    const buffer = Buffer.alloc(Math.min(CHUNK, size - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    const chunk = bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
    at += chunk.length;
    yield chunk;
  }
}

function fileMember(name: string, file: FileHandle, { mtime, size }: Stats): FileMember {
  return { kind: 'file', name, modified: mtime, size, file };
}
