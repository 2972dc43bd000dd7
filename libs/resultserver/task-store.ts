import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ARTIFACTS, type UploadEntry } from '#domain/artifacts.js';
import { diskError } from '#domain/disk-error.js';
import { ProtocolError, reason, type SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { Budget } from './budget.js';
import type { CapeFields, Dialect, Header } from './header.js';
import { after, type Incoming, type Read } from './incoming.js';
import type { Limits } from './limits.js';
import { readProcessPid } from './process-pid.js';
import { createExclusive, isNameRefused, publish, store, writeAll, type Stored } from './store.js';
import { uploadPath, versioned } from './upload-path.js';

export interface StoreOptions {
  /** storage/analyses/<id>. */
  readonly dir: string;
  readonly dialect: Dialect;
  readonly limits: Limits;
  readonly onAnomaly: (what: string) => void;
  /** After each upload by FILE, once it is in files.json. */
  readonly onStored: (entry: UploadEntry) => void;
  /** The host could not store something: NO_DISK_SPACE or CAPTURE_FAILED, with the file and the folder. */
  readonly onDiskError: (error: SandboxError) => void;
}

type FileHeader = Header & { readonly kind: 'file' };

/** Name of the nth taker of a place; 0 is the name it asked for. */
type Names = (version: number) => string;

/** Names one upload may have to step aside for. */
const MAX_VERSIONS = 16;

/** Puts what one task's guest sends into the analysis folder. Adds files, never replaces one (but see `replaces`). */
export class TaskStore {
  readonly budget: Budget;
  readonly #taken = new Set<string>();
  /** Only for CAPE, which refers to earlier uploads. */
  readonly #entries = new Map<string, UploadEntry>();
  #temporaries = 0;

  private constructor(
    private readonly options: StoreOptions,
    private readonly filesJson: FileHandle,
  ) {
    this.budget = new Budget(options.limits);
  }

  /** @throws SandboxError NO_DISK_SPACE or CAPTURE_FAILED */
  static async open(options: StoreOptions): Promise<TaskStore> {
    const { dir } = options;
    const filesJson = await open(join(dir, ARTIFACTS.files), 'a', 0o644).catch((cause: unknown) => {
      throw notWritten(ARTIFACTS.files, dir, cause);
    });
    return new TaskStore(options, filesJson);
  }

  /** @throws SandboxError NO_DISK_SPACE or CAPTURE_FAILED */
  async close(): Promise<void> {
    await this.#onDisk(ARTIFACTS.files, this.filesJson.close());
  }

  /**
   * Stores the payload of one connection until it ends, breaks or reaches a limit; what came is kept.
   *
   * @param rest the payload's first bytes, that came with the header
   * @throws ProtocolError when nothing of it may be stored; NO_DISK_SPACE or CAPTURE_FAILED, which onDiskError was told
   */
  async receive(header: Header, rest: Buffer, incoming: Incoming): Promise<void> {
    const { logBytes, streamBytes } = this.options.limits;
    const read = after(rest, () => incoming.read(Infinity));
    switch (header.kind) {
      case 'log':
        return this.#log((n) => ARTIFACTS.analysisLog + (n === 0 ? '' : `.${n}`), read, logBytes);
      case 'proto':
        return this.#log(inLogs(`${header.pid}.protobuf`), read, streamBytes);
      case 'bson': {
        if (header.pid !== null) return this.#log(inLogs(`${header.pid}.bson`), read, streamBytes);
        const { pid, start } = await readProcessPid(read);
        if (pid === null) throw new ProtocolError('BSON without a process id, and no process in it', 0);
        return this.#log(inLogs(`${pid}.bson`), after(start, read), streamBytes);
      }
      case 'file':
        return this.#upload(header, rest, incoming);
    }
  }

  async #log(names: Names, read: Read, limit: number): Promise<void> {
    const { path, stored } = await this.#live(names, read, limit);
    this.#reportPartial(path, stored);
  }

  async #upload(header: FileHeader, rest: Buffer, incoming: Incoming): Promise<void> {
    const { streamBytes, idleMs } = this.options.limits;
    const { folder, name, live, replaces } = uploadPath(header.path, this.options.dialect);
    if (header.cape?.duplicated) return this.#duplicate(header, `${folder}/${name}`);

    const names = (version: number) => `${folder}/${versioned(name, version)}`;
    const read = after(rest, () => incoming.read(live ? Infinity : idleMs));
    const { path, stored } = live
      ? await this.#live(names, read, streamBytes)
      : await this.#whole(folder, names, replaces, read);
    this.#reportPartial(path, stored);
    const { size, sha256, status } = stored;
    const { filepath, pids } = header;
    await this.#list({ path, filepath, pids, size, sha256, status }, header.cape);
  }

  /** Under its final name from the first byte on, for whoever follows it; the name is taken by making the file. */
  async #live(names: Names, read: Read, limit: number): Promise<{ path: string; stored: Stored }> {
    this.#takeFile();
    const { path, made } = await this.#firstFree(names, (path) => createExclusive(path));
    return { path, stored: await this.#copy(path, made, read, limit) };
  }

  /** Written beside its place and named at the end: nobody sees half a file under a final name. */
  async #whole(
    folder: string,
    names: Names,
    replaces: boolean,
    read: Read,
  ): Promise<{ path: string; stored: Stored }> {
    this.#takeFile();
    // Claimed before the first byte: an upload that starts later and ends sooner must not take the name.
    const claimed = replaces ? names(0) : this.#claim(names);
    const temporary = join(this.options.dir, folder, `.${(this.#temporaries += 1)}.part`);
    const file = await this.#onDisk(claimed, createExclusive(temporary));
    try {
      const stored = await this.#copy(claimed, file, read, this.options.limits.uploadBytes);
      if (replaces) {
        await this.#onDisk(claimed, rename(temporary, join(this.options.dir, claimed)));
        return { path: claimed, stored };
      }
      const place = (path: string) => publish(temporary, path);
      const { path } = await this.#firstFree(names, place, claimed);
      return { path, stored };
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
  }

  /** CAPE says that a file was there again, and sends no content. */
  async #duplicate(header: FileHeader, path: string): Promise<void> {
    const first = this.#entries.get(path);
    if (!first) throw new ProtocolError(`said to be sent before, but was not: ${quoted(header.path)}`, 0);
    this.#takeFile(); // a line of files.json costs too
    await this.#list({ ...first, filepath: header.filepath, pids: header.pids }, header.cape);
  }

  async #copy(path: string, file: FileHandle, read: Read, limit: number): Promise<Stored> {
    const take = (wanted: number, stored: number) => this.budget.takeBytes(wanted, stored, limit);
    const stored = await this.#onDisk(path, store(file, read, take));
    if (stored.diskFailed) this.#diskFailed(path, stored.cause);
    return stored;
  }

  async #onDisk<T>(path: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      if (isNameRefused(cause)) throw cause;
      throw this.#diskFailed(path, cause);
    }
  }

  #diskFailed(path: string, cause: unknown): SandboxError {
    const error = notWritten(path, this.options.dir, cause);
    this.options.onDiskError(error);
    return error;
  }

  /** Makes the first of `names` that nobody has, by `make`, which fails with EEXIST when the disk knows better. */
  async #firstFree<T>(
    names: Names,
    make: (path: string) => Promise<T>,
    claimed = this.#claim(names),
  ): Promise<{ path: string; made: T }> {
    for (let path = claimed; ; path = this.#claim(names)) {
      try {
        return { path, made: await make(join(this.options.dir, path)) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        if (isNameRefused(error)) throw error;
        throw this.#diskFailed(path, error);
      }
    }
  }

  #claim(names: Names): string {
    for (let version = 0; version <= MAX_VERSIONS; version += 1) {
      const path = names(version);
      if (this.#taken.has(path)) continue;
      this.#taken.add(path);
      if (version > 0)
        this.options.onAnomaly(`${quoted(names(0))} is there already; kept as ${quoted(path)}`);
      return path;
    }
    throw new ProtocolError(`${quoted(names(0))} was sent more than ${MAX_VERSIONS} times`, 0);
  }

  #takeFile(): void {
    if (!this.budget.takeFile()) throw new ProtocolError(`more than ${this.options.limits.files} files`, 0);
  }

  async #list(entry: UploadEntry, cape: CapeFields | null): Promise<void> {
    if (this.options.dialect === 'cape') this.#entries.set(entry.path, entry);
    const { path, filepath, pids, ...ours } = entry;
    const more = cape && { ppids: cape.ppids, metadata: cape.metadata, category: cape.category };
    const line = Buffer.from(`${JSON.stringify({ path, filepath, pids, ...more, ...ours })}\n`);
    // One write to a file opened for appending, unless the disk is full: lines of several uploads do not mix.
    await this.#onDisk(ARTIFACTS.files, writeAll(this.filesJson, line));
    this.options.onStored(entry);
  }

  #reportPartial(path: string, { size, status, cause, diskFailed }: Stored): void {
    if (status === 'complete' || diskFailed) return;
    const why = cause === undefined ? 'a limit was reached' : reason(cause);
    this.options.onAnomaly(`${quoted(path)} ${status} after ${size} bytes: ${why}`);
  }
}

function notWritten(path: string, dir: string, cause: unknown): SandboxError {
  return diskError(`${quoted(path)} in ${dir} cannot be written`, cause);
}

function inLogs(name: string): Names {
  return (version) => `${ARTIFACTS.logs}/${versioned(name, version)}`;
}
