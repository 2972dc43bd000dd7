import { createHash, randomUUID } from 'node:crypto';
import { access, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { binaryPath, linkOnce, nameUpload, receive, sweepUploads, type Follower } from '#storage/binaries.js';

/** Begins the name of a file that is being removed; its SHA-256 follows, and a dot. */
const TAKEN = '.taken-';
/** Files of a sweep that are asked for at once. */
const PAGE = 500;
/** Milliseconds: what nobody needs for so long is of an upload that came to nothing. */
const FORGOTTEN_MS = 3_600_000;
/** Milliseconds after which a removal was broken off. */
const BROKEN_OFF_MS = 60_000;

/**
 * A file that was just stored. Dispose it once its task is committed, or is known to come to nothing: the file then
 * stays, or goes, as `inUse` says. Without that nobody takes it for an hour.
 */
export interface HeldSample extends AsyncDisposable {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

interface Facts {
  readonly sha256: string;
  readonly size: number;
}

/**
 * The files of tasks that have not ended, each under its SHA-256. Who removes one takes its name away, then looks for a
 * task that needs it; who adds one names it again after the task is committed: whichever comes first, it is there.
 */
export class SampleFiles {
  /** `inUse`: of these SHA-256, those whose file a task needs that has not ended. It is asked for a page of them at most. */
  constructor(
    private readonly folder: string,
    private readonly inUse: (hashes: readonly string[]) => Promise<ReadonlySet<string>>,
  ) {}

  /** Synced, under its name. @throws UPLOAD_TOO_LARGE, NO_DISK_SPACE */
  async store(source: AsyncIterable<Uint8Array>, maxBytes: number, signal: AbortSignal): Promise<HeldSample> {
    const options = { binariesDir: this.folder, maxBytes, follow: hashFollower };
    const { temporary, found } = await receive(source, options, signal);
    const { sha256, size } = found;
    try {
      await nameUpload(temporary, this.folder, sha256);
      await touch(this.path(sha256));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return { sha256, size, [Symbol.asyncDispose]: () => this.#settle(temporary, sha256) };
  }

  /** @throws SAMPLE_MISSING when the text is not a SHA-256 */
  path(sha256: string): string {
    return binaryPath(this.folder, sha256);
  }

  /** Removes it, unless a task needs it. */
  async remove(sha256: string): Promise<void> {
    if (!(await this.#isNeeded(sha256))) await this.#take(sha256);
  }

  /**
   * Whether it is there; what a removal that is under way, or was broken off, has taken gets its name back when a task
   * needs it. @throws what the disk says when the folder cannot be read
   */
  async restore(sha256: string): Promise<boolean> {
    const path = this.path(sha256);
    if (await unlessGone(access(path))) return true;
    const names = await readdir(this.folder);
    if (!(await this.#isNeeded(sha256))) return false;
    for (const name of names.filter((one) => one.startsWith(`${TAKEN}${sha256}.`))) {
      // A link: who removes it may be about to do the same.
      if (await unlessGone(linkOnce(join(this.folder, name), path))) return true;
    }
    return unlessGone(access(path));
  }

  /** Removes what was left by those who were killed; `now` is in milliseconds since 1970. */
  async sweep(signal: AbortSignal, now = Date.now()): Promise<void> {
    await sweepUploads(this.folder);
    const names = await readdir(this.folder);
    for (let at = 0; at < names.length; at += PAGE)
      await this.#sweep(names.slice(at, at + PAGE), now, signal);
  }

  async #sweep(names: readonly string[], now: number, signal: AbortSignal): Promise<void> {
    const old: { readonly sha256: string; readonly path: string; readonly isTaken: boolean }[] = [];
    for (const name of names) {
      signal.throwIfAborted();
      const sha256 = /^(?:\.taken-)?([0-9a-f]{64})(?:$|\.)/.exec(name)?.[1];
      if (sha256 === undefined) continue;
      const [path, isTaken] = [join(this.folder, name), name.startsWith(TAKEN)];
      const age = now - (await changedAt(path, { isTaken, now }));
      if (age > (isTaken ? BROKEN_OFF_MS : FORGOTTEN_MS)) old.push({ sha256, path, isTaken });
    }
    const needed = await this.inUse([...new Set(old.map(({ sha256 }) => sha256))]);
    for (const { sha256, path, isTaken } of old) {
      signal.throwIfAborted();
      if (isTaken) await this.#drop(path, sha256);
      else if (!needed.has(sha256)) await this.#take(sha256);
    }
  }

  async #isNeeded(sha256: string): Promise<boolean> {
    return (await this.inUse([sha256])).has(sha256);
  }

  /** Nobody needed it just now. */
  async #take(sha256: string): Promise<void> {
    const taken = join(this.folder, `${TAKEN}${sha256}.${randomUUID()}`);
    if (await unlessGone(rename(this.path(sha256), taken))) await this.#drop(taken, sha256);
  }

  /** The last step of removing: the file has its name again when a task came to need it, or that is not known. */
  async #drop(taken: string, sha256: string): Promise<void> {
    let needed = true;
    try {
      needed = await this.#isNeeded(sha256);
    } finally {
      if (needed) await linkOnce(taken, this.path(sha256));
      await rm(taken, { force: true });
    }
  }

  async #settle(temporary: string, sha256: string): Promise<void> {
    try {
      await linkOnce(temporary, this.path(sha256));
      await rm(temporary, { force: true });
      await this.remove(sha256);
    } catch {
      // A disposer never throws. What it leaves is swept.
    }
  }
}

function hashFollower(): Follower<Facts> {
  const hash = createHash('sha256');
  let size = 0;
  return {
    grew: (total, chunk) => {
      size = total;
      hash.update(chunk);
    },
    finish: async () => ({ sha256: hash.digest('hex'), size }),
    [Symbol.dispose]: () => {},
  };
}

/** One that was there before is as good as new. When it was taken meanwhile, it is named again once its task is committed. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await unlessGone(utimes(path, now, now));
}

/** False: the file is not there. */
async function unlessGone(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** When it was taken, or else last written or touched; `now` when it is gone. */
async function changedAt(path: string, { isTaken, now }: { isTaken: boolean; now: number }): Promise<number> {
  const found = await stat(path).catch(() => null);
  return (isTaken ? found?.ctimeMs : found?.mtimeMs) ?? now;
}
