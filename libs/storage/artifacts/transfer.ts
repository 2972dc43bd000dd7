import { createHash } from 'node:crypto';
import { mkdir, open, rm, utimes, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { ARTIFACTS } from '#domain/artifacts.js';
import { diskError } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { listFolder, openBelow, openIn } from '../open-below.js';
import { BrokenBody, persist, type Bucket } from './bucket.js';
import { isSafePath, type StoredFile } from './manifest.js';
import { RUN_MARK } from './run-mark.js';

/** Files on their way at once. */
const FILES_AT_ONCE = 4;
/** Folders below one another that are looked into: each keeps one file descriptor. */
const MAX_DEPTH = 32;

export interface Tree {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/** Paths of what is in an analysis folder. Links and what is neither file nor folder are left out: guests name things there. */
export async function treeOf(dir: string): Promise<Tree> {
  await using root = await openBelow(dir);
  const found = { folders: [] as string[], files: [] as string[] };
  if (root) await walk(root, [], found);
  return found;
}

async function walk(
  folder: FileHandle,
  above: readonly string[],
  found: { folders: string[]; files: string[] },
): Promise<void> {
  for (const name of await listFolder(folder)) {
    const path = [...above, name].join('/');
    await using entry = await openIn(folder, name);
    const stats = await entry?.stat();
    if (!entry || !stats || (above.length === 0 && isOurs(name))) continue;
    if (!isSafePath(path))
      throw new SandboxError(
        'ARTIFACTS_DAMAGED',
        `an artefact has a name that cannot be stored: ${quoted(path)}`,
      );
    if (stats.isFile()) found.files.push(path);
    if (!stats.isDirectory() || above.length === MAX_DEPTH) continue;
    found.folders.push(path);
    await walk(entry, [...above, name], found);
  }
}

function isOurs(name: string): boolean {
  return name === ARTIFACTS.sample || name.startsWith(RUN_MARK);
}

export interface FileToStore {
  readonly dir: string;
  readonly path: string;
  /** Of the run; the object's key is below it. */
  readonly key: string;
}

/** Streams one file into the bucket, and says what was stored. */
export async function storeFile(
  bucket: Bucket,
  { dir, path, key }: FileToStore,
  signal: AbortSignal,
): Promise<StoredFile> {
  await using file = await openBelow(dir, ...path.split('/'));
  if (!file) throw new SandboxError('INTERNAL', `${join(dir, path)} went away while it was stored`);
  const hash = createHash('sha256');
  const count = { bytes: 0 };
  await bucket.put(`${key}/${path}`, Readable.from(hashed(file, hash, count)), signal);
  const { mtimeMs } = await file.stat();
  return { path, size: count.bytes, sha256: hash.digest('hex'), modified: mtimeMs, object: path };
}

async function* hashed(
  file: FileHandle,
  hash: ReturnType<typeof createHash>,
  count: { bytes: number },
): AsyncGenerator<Buffer> {
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    count.bytes += chunk.length;
    yield chunk;
  }
}

export async function hashFile(path: string): Promise<{ readonly size: number; readonly sha256: string }> {
  await using file = await open(path);
  const hash = createHash('sha256');
  const count = { bytes: 0 };
  for await (const _ of hashed(file, hash, count));
  return { size: count.bytes, sha256: hash.digest('hex') };
}

export interface Wanted {
  readonly key: string;
  readonly sha256: string;
  /** Bytes; null: not known. */
  readonly size: number | null;
}

/**
 * Streams one object into a new file, and proves that it is what was stored.
 *
 * @returns false when there is no such object
 * @throws ARTIFACTS_DAMAGED, ARTIFACTS_UNAVAILABLE, NO_DISK_SPACE; no file is left then
 */
export async function fetchFile(
  bucket: Bucket,
  wanted: Wanted,
  to: { readonly path: string; readonly mode: number },
  signal: AbortSignal,
): Promise<boolean> {
  return persist(async () => {
    const found = await bucket.get(wanted.key, signal);
    if (found === null || found === 'same') return false;
    try {
      await write(
        chunksOf(bucket, wanted.key, found.body),
        { ...wanted, url: bucket.urlOf(wanted.key) },
        to,
        signal,
      );
      return true;
    } catch (error) {
      found.body.destroy();
      await rm(to.path, { force: true });
      throw error;
    }
  });
}

async function write(
  chunks: AsyncIterable<Buffer>,
  { url, sha256, size }: Wanted & { readonly url: string },
  to: { readonly path: string; readonly mode: number },
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await onDisk(to.path, () => open(to.path, 'wx', to.mode));
  await using _closed = file;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    hash.update(chunk);
    bytes += chunk.length;
    if (size !== null && bytes > size) break;
    await onDisk(to.path, () => file.writeFile(chunk));
  }
  const found = hash.digest('hex');
  if (found === sha256 && (size === null || bytes === size)) return;
  throw new SandboxError(
    'ARTIFACTS_DAMAGED',
    `${url} is not what was stored: ${bytes} bytes with SHA-256 ${found}, not ${size ?? 'those'} with ${sha256}`,
  );
}

/** A body that breaks off is the store's fault, not the disk's. */
async function* chunksOf(bucket: Bucket, key: string, body: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield chunk as Buffer;
  } catch (cause) {
    throw new BrokenBody(bucket.urlOf(key), cause);
  }
}

async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR')
      throw new SandboxError('ARTIFACTS_DAMAGED', `a manifest names ${path} twice`, { cause });
    throw diskError(`${path} could not be written`, cause);
  }
}

export interface FilesToFetch {
  /** Of their run. */
  readonly key: string;
  readonly files: readonly StoredFile[];
  /** Each becomes its path in here. */
  readonly dir: string;
}

/** @throws as `fetchFile`, and ARTIFACTS_DAMAGED when one is missing */
export async function fetchFiles(
  bucket: Bucket,
  { key, files, dir }: FilesToFetch,
  signal: AbortSignal,
): Promise<void> {
  await each(files, async ({ path, size, sha256, modified, object }) => {
    const to = join(dir, path);
    await onDisk(to, () => mkdir(dirname(to), { recursive: true, mode: 0o700 }));
    const wanted = { key: `${key}/${object}`, size, sha256 };
    if (!(await fetchFile(bucket, wanted, { path: to, mode: 0o600 }, signal)))
      throw new SandboxError('ARTIFACTS_DAMAGED', `${bucket.urlOf(wanted.key)} is gone`);
    await utimes(to, new Date(), new Date(modified));
  });
}

/** A few at a time; the first error ends it, once those under way are over. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: FILES_AT_ONCE }, worker));
  const broken = ended.find((one) => one.status === 'rejected');
  if (broken) throw broken.reason;
}
