import { access } from 'node:fs/promises';
import { SandboxError } from '#domain/errors.js';
import type { Task } from '#domain/task.js';
import { analysisDir, type AnalysisPlaces } from '../analyses.js';
import { binaryPath } from '../binaries.js';
import { RunFolders } from './run-folders.js';
import { isFolder } from './run-mark.js';
import type { ArtifactStore, RunStates } from './store.js';

/**
 * A folder that every process reaches by the same path: that of a host with everything on it, or one that several hosts
 * share (NFS). Nothing is copied; publishing is a rename.
 *
 * The row moves first, then the folder is renamed: a crash between leaves a run that the row calls the task's, and whoever
 * looks for it renames it.
 */
export class LocalArtifacts implements ArtifactStore {
  readonly #folders: RunFolders;

  constructor(
    private readonly places: AnalysisPlaces,
    states: RunStates,
  ) {
    this.#folders = new RunFolders(places, states);
  }

  async begin(task: Task, epoch: number): Promise<string> {
    if (task.sample) await this.fetchSample(task.sample.sha256);
    return this.#folders.make(task, epoch);
  }

  /** It is where it stays. */
  async save(): Promise<void> {}

  async publish(task: number, epoch: number): Promise<boolean> {
    const fate = await this.#folders.fate(task, epoch);
    if (fate === 'running') throw new TypeError(`run ${task}/${epoch} is published before its row moved`);
    const run = this.#folders.runOf(task, epoch);
    if (fate === 'lost') await this.#folders.takeAway(run.dir);
    else await this.#folders.placeRun(run);
    return fate !== 'lost';
  }

  async fetch(task: number): Promise<string | null> {
    const dir = analysisDir(this.places.analyses, task);
    if (await isFolder(dir)) return dir;
    for (const run of await this.#folders.list()) {
      if (run.task !== task || (await this.#folders.fate(task, run.epoch)) !== 'won') continue;
      await this.#folders.placeRun(run);
    }
    return (await isFolder(dir)) ? dir : null;
  }

  async publishReports(): Promise<void> {}

  remove(task: number): Promise<void> {
    return this.#folders.remove(task);
  }

  sweep(signal: AbortSignal): Promise<void> {
    return this.#folders.sweep((run) => this.#folders.placeRun(run), signal);
  }

  async trim(): Promise<void> {}

  async putSample(): Promise<void> {}

  async hasSample(sha256: string): Promise<boolean> {
    return isThere(binaryPath(this.places.binaries, sha256));
  }

  async fetchSample(sha256: string): Promise<string> {
    const path = binaryPath(this.places.binaries, sha256);
    if (await isThere(path)) return path;
    throw new SandboxError('SAMPLE_MISSING', `the sample ${sha256} is not in ${this.places.binaries}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    },
  );
}
