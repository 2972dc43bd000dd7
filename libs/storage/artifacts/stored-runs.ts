import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ARTIFACTS } from '#domain/artifacts.js';
import { SandboxError } from '#domain/errors.js';
import { linkSample } from '../analyses.js';
import { openBelow, readLink } from '../open-below.js';
import { BrokenBody, persist, type Bucket } from './bucket.js';
import { parseManifest, type Manifest, type StoredFile, type StoredManifest } from './manifest.js';
import type { RunFolder, RunFolders } from './run-folders.js';
import { readMark, writeMark } from './run-mark.js';
import { each, fetchFiles, hashFile, storeFile, treeOf } from './transfer.js';

/** Bytes of a manifest. */
const MAX_MANIFEST = 64 * 1024 * 1024;

/**
 * Runs in a bucket: `analyses/<task>/<epoch>/<path>`, and a manifest that is written last. Objects never change, so whoever
 * has read a manifest can fetch what it names: files written later get new keys, then a new manifest replaces the old one.
 */
export class StoredRuns {
  readonly #bucket: Bucket;

  constructor(
    bucket: Bucket,
    private readonly folders: RunFolders,
  ) {
    this.#bucket = bucket;
  }

  /** The whole folder; the manifest gets `name`. */
  async store(run: RunFolder, name: string, signal: AbortSignal): Promise<void> {
    const { folders, files: paths } = await treeOf(run.dir);
    const files: StoredFile[] = [];
    await each(paths, async (path) => {
      files.push(await storeFile(this.#bucket, { dir: run.dir, path, key: keyOf(run) }, signal));
    });
    const { task, epoch } = run;
    const sample = await sampleOf(run.dir);
    const content = { version: 1, task, epoch, sample, folders: [...folders], files: files.toSorted(byPath) };
    await this.#putManifest(run, name, content as Manifest, signal);
  }

  /** What was written into reports/ since, and task.json. */
  async storeReports(run: RunFolder, { name, content }: StoredManifest, signal: AbortSignal): Promise<void> {
    const before = content.files;
    const files = before.filter(({ path }) => !isReport(path));
    for (const path of (await treeOf(run.dir)).files.filter(isReport)) {
      files.push(await this.#storeReport(run, path, before, signal));
    }
    if (files.length === before.length && files.every((file) => before.includes(file))) return;
    await this.#putManifest(run, name, { ...content, files: files.toSorted(byPath) }, signal);
  }

  /** Null: there is none of that name; `same`: it is the one with this ETag. */
  async find(
    run: RunFolder,
    name: string,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<StoredManifest | 'same' | null> {
    const key = `${keyOf(run)}/${name}`;
    return persist(async () => {
      const found = await this.#bucket.get(key, signal, etag);
      if (found === null || found === 'same') return found;
      const body = await text(bounded(found.body)).catch((cause: unknown) => {
        throw cause instanceof SandboxError ? cause : new BrokenBody(this.#bucket.urlOf(key), cause);
      });
      return { name, etag: found.etag, content: parseManifest(body, run) };
    });
  }

  /** Becomes the task's folder, whole or not at all. */
  async download(run: RunFolder, stored: StoredManifest, signal: AbortSignal): Promise<void> {
    const { folders, files, sample } = stored.content;
    const fresh = await this.folders.temporary();
    try {
      for (const folder of folders) await mkdir(join(fresh, folder), { recursive: true, mode: 0o700 });
      await fetchFiles(this.#bucket, { key: keyOf(run), files, dir: fresh }, signal);
      if (sample !== null) await linkSample(fresh, this.folders.places, { task: run.task, sha256: sample });
      await writeMark(fresh, { epoch: run.epoch, stored });
      const there = await readMark(run.dir);
      if (there?.epoch === run.epoch && !there.stored) await this.folders.takeAway(run.dir);
      await this.folders.place({ ...run, dir: fresh });
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }

  /** Files that changed take the places of the old ones, one by one, as when a report is written. */
  async refresh(
    run: RunFolder,
    before: StoredManifest,
    now: StoredManifest,
    signal: AbortSignal,
  ): Promise<void> {
    const known = new Map(before.content.files.map(({ path, sha256 }) => [path, sha256]));
    const changed = now.content.files.filter(({ path, sha256 }) => known.get(path) !== sha256);
    const fresh = await this.folders.temporary();
    try {
      await fetchFiles(this.#bucket, { key: keyOf(run), files: changed, dir: fresh }, signal);
      for (const { path } of changed) {
        await mkdir(dirname(join(run.dir, path)), { recursive: true, mode: 0o700 });
        await rename(join(fresh, path), join(run.dir, path));
      }
      await writeMark(run.dir, { epoch: run.epoch, stored: now });
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }

  /** Of one run, or of all of a task. */
  async remove(task: number, epoch: number | 'all', signal: AbortSignal): Promise<void> {
    await this.#bucket.removeBelow(
      epoch === 'all' ? `analyses/${task}/` : `${keyOf({ task, epoch })}/`,
      signal,
    );
  }

  async #putManifest(run: RunFolder, name: string, content: Manifest, signal: AbortSignal): Promise<void> {
    const body = Buffer.from(JSON.stringify(content));
    const etag = await this.#bucket.put(`${keyOf(run)}/${name}`, body, signal);
    await writeMark(run.dir, { epoch: run.epoch, stored: { name, etag, content } });
  }

  /** Objects that somebody may be reading are left alone: a changed report gets a key of its own. */
  async #storeReport(
    run: RunFolder,
    path: string,
    before: readonly StoredFile[],
    signal: AbortSignal,
  ): Promise<StoredFile> {
    const { sha256 } = await hashFile(join(run.dir, path));
    const same = before.find((file) => file.path === path && file.sha256 === sha256);
    if (same) return same;
    const version = `.versions/${sha256}`;
    const key = `${keyOf(run)}/${version}`;
    const stored = await storeFile(this.#bucket, { dir: run.dir, path, key }, signal);
    return { ...stored, object: `${version}/${path}` };
  }
}

function keyOf({ task, epoch }: { readonly task: number; readonly epoch: number }): string {
  return `analyses/${task}/${epoch}`;
}

/** Only the hash is taken from the link. */
async function sampleOf(dir: string): Promise<string | null> {
  await using folder = await openBelow(dir);
  const name = basename((folder && (await readLink(folder, ARTIFACTS.sample))) ?? '');
  return /^[0-9a-f]{64}$/.test(name) ? name : null;
}

function isReport(path: string): boolean {
  return path === ARTIFACTS.task || path.startsWith(`${ARTIFACTS.reports}/`);
}

function byPath(a: StoredFile, b: StoredFile): number {
  return a.path < b.path ? -1 : 1;
}

async function* bounded(body: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_MANIFEST)
      throw new SandboxError('ARTIFACTS_DAMAGED', `a manifest has more than ${MAX_MANIFEST} bytes`);
    yield chunk as Buffer;
  }
}
