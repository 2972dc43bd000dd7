import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { withinRoom } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import { sweepUploads, syncFolder, TEMPORARY } from '#storage/binaries.js';
import { openBelow } from '#storage/open-below.js';

/** Where reports are until they are whole: one folder, so that what a killed process leaves is found. */
const INCOMING = '.incoming';

/** Folders of a sweep that are asked for at once. */
const PAGE = 500;
/** Milliseconds: so long the folder of a deleted task stays; who deletes it may be at it. */
const LEFT_MS = 3_600_000;
/** Of the database. */
const LARGEST_ID = 2 ** 31 - 1;

/** What a format may be called: it is a part of paths, and comes from URLs. */
export function isFormat(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);
}

/** The reports that were brought here: `<task>/report.<format>`, and `<task>/dump.pcap`. */
export class ReportFiles {
  /** `wanted`: of these tasks, those whose reports stay. It is asked for a page of them at most. */
  constructor(
    private readonly folder: string,
    private readonly wanted: (taskIds: readonly number[]) => Promise<ReadonlySet<number>>,
  ) {}

  /** A new name to write a report to, before `keep`. @throws NO_DISK_SPACE, BAD_REQUEST for no format */
  async temporary(taskId: number, format: string): Promise<string> {
    this.path(taskId, format); // refuses what is no format
    const incoming = join(this.folder, INCOMING);
    await this.#withinRoom(() => mkdir(incoming, { recursive: true, mode: 0o700 }));
    return join(incoming, `${TEMPORARY}${taskId}-${randomUUID()}`);
  }

  /**
   * The file at `temporary`, whole and synced by its writer, is the report from now on, also after a power cut; it
   * replaces an earlier one. Answers its path. @throws NO_DISK_SPACE
   */
  async keep(temporary: string, taskId: number, format: string): Promise<string> {
    const path = this.path(taskId, format);
    const folder = join(this.folder, String(taskId));
    await this.#withinRoom(async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await rename(temporary, path);
      await syncFolder(folder);
      await syncFolder(this.folder);
    });
    return path;
  }

  /** @throws BAD_REQUEST when it is no format */
  path(taskId: number, format: string): string {
    if (!Number.isSafeInteger(taskId) || !isFormat(format))
      throw new SandboxError('BAD_REQUEST', `there is no format ${JSON.stringify(format)}`);
    return join(this.folder, String(taskId), fileName(format));
  }

  /** Null: there is no such report. Links are not followed. */
  async open(taskId: number, format: string): Promise<FileHandle | null> {
    if (!isFormat(format)) return null;
    return openBelow(this.folder, String(taskId), fileName(format));
  }

  /** All of a task. */
  async remove(taskId: number): Promise<void> {
    await rm(join(this.folder, String(taskId)), { recursive: true, force: true });
  }

  /** Removes what was left by those who were killed; `now` is in milliseconds since 1970. */
  async sweep(signal: AbortSignal, now = Date.now()): Promise<void> {
    await sweepUploads(join(this.folder, INCOMING));
    const ids = (await readdir(this.folder)).flatMap(taskOf);
    for (let at = 0; at < ids.length; at += PAGE) {
      const old: number[] = [];
      for (const id of ids.slice(at, at + PAGE)) {
        signal.throwIfAborted();
        const found = await stat(join(this.folder, String(id))).catch(() => null); // it was deleted meanwhile
        if (found && now - found.mtimeMs > LEFT_MS) old.push(id);
      }
      const wanted = await this.wanted(old);
      for (const id of old.filter((one) => !wanted.has(one))) {
        signal.throwIfAborted();
        await this.remove(id);
      }
    }
  }

  async #withinRoom(work: () => Promise<unknown>): Promise<void> {
    await withinRoom(`reports cannot be stored in ${this.folder}`, work);
  }
}

/** None: the folder is not of a task. */
function taskOf(name: string): readonly number[] {
  return /^[1-9]\d{0,9}$/.test(name) && Number(name) <= LARGEST_ID ? [Number(name)] : [];
}

function fileName(format: string): string {
  return format === 'pcap' ? 'dump.pcap' : `report.${format}`;
}
