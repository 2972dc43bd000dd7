import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { deadline } from '#domain/deadline.js';
import { SandboxError } from '#domain/errors.js';
import { quoted } from '#domain/quoted.js';
import { kindOfFile } from './kind-of-file.js';
import type { UnpackJob, Unpacked } from './unpack.js';

/** Threads at once: each may take a processor and a gigabyte. */
const MAX_THREADS = 2;
/** Milliseconds one container may take, with all passwords tried. */
const TIMEOUT_MS = 60_000;
/** MiB of JavaScript heap of a thread. */
const HEAP_MB = 512;
/** Milliseconds after which a folder that nobody writes to belongs to a process that was killed. */
const ABANDONED_MS = 3_600_000;

/** What a thread runs; tests run the sources. */
export interface ThreadProgram {
  readonly url: URL;
  readonly execArgv: readonly string[];
}

const BUILT: ThreadProgram = { url: new URL('./unpack.thread.js', import.meta.url), execArgv: [] };

export type UnpackRequest = Omit<UnpackJob, 'dir'>;

/** Takes containers apart in threads of their own, a few at a time. */
export class Unpacker {
  #free = MAX_THREADS;
  readonly #waiting: (() => void)[] = [];

  /** @param folder for the temporary folders, on the disk that holds the samples */
  constructor(
    private readonly folder: string,
    private readonly program: ThreadProgram = BUILT,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** Removes what a process left that was killed. */
  async sweep(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []); // not made yet: nothing to sweep
    for (const name of names) {
      const path = join(this.folder, name);
      const found = await stat(path).catch(() => null); // it ended meanwhile
      if (found && Date.now() - found.mtimeMs > ABANDONED_MS)
        await rm(path, { recursive: true, force: true });
    }
  }

  /**
   * Unpacks one file and lets `use` have the result, whose own files are gone afterwards. What is no container needs no
   * thread.
   *
   * @throws NO_DISK_SPACE, another error of the disk, the signal's reason
   */
  async unpack<T>(
    request: UnpackRequest,
    use: (unpacked: Unpacked) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    if (kindOfFile(request.file, request.name) === null) return use({ kind: 'file', note: null });
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const dir = await mkdtemp(join(this.folder, 'c-'));
    try {
      return await use(await this.#inTurn(() => this.#run({ ...request, dir }, signal)));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  async #run(job: UnpackJob, signal: AbortSignal): Promise<Unpacked> {
    signal.throwIfAborted();
    using limit = deadline(this.timeoutMs, signal);
    const thread = new Worker(this.program.url, {
      workerData: job,
      execArgv: [...this.program.execArgv],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    try {
      // Rejects with the thread's own error, as when the disk is full or its heap is.
      const [unpacked] = (await once(thread, 'message', { signal: limit.signal })) as [Unpacked];
      return unpacked;
    } catch (error) {
      signal.throwIfAborted();
      if (limit.signal.aborted) return refused(job, `took longer than ${this.timeoutMs / 1000} s to unpack`);
      if (isOutOfMemory(error)) return refused(job, 'needs more memory to unpack than it may have');
      throw isNoRoom(error) ? noRoom(job, error) : error;
    } finally {
      await thread.terminate();
    }
  }
}

function refused({ name }: UnpackJob, why: string): Unpacked {
  return { kind: 'refused', why: `${quoted(name)} ${why}` };
}

function noRoom({ name }: UnpackJob, cause: unknown): SandboxError {
  return new SandboxError('NO_DISK_SPACE', `The disk is full; ${quoted(name)} could not be unpacked`, {
    cause,
  });
}

function isNoRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String((error as { code?: unknown }).code));
}

function isOutOfMemory(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY';
}
