import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import type { Task, TaskStatus } from '#domain/task.js';
import { analysisDir, type AnalysisPlaces } from '../analyses.js';
import { binaryPath } from '../binaries.js';
import type { Bucket } from './bucket.js';
import { cachedOf, overflow, touch } from './cache.js';
import { Flights } from './flights.js';
import { isThere } from './local.js';
import { RunFolders, type RunFolder } from './run-folders.js';
import { readMark, RUN_MARK } from './run-mark.js';
import { fateOf, type ArtifactStore, type RunStates } from './store.js';
import { StoredRuns } from './stored-runs.js';
import { StoredSamples } from './stored-samples.js';

/** Which manifest counts is said by the row, so a run that only thinks it was completed shows nothing. */
const COMPLETED = 'manifest.json';
const FAILED = 'failed.json';

export interface S3Parts {
  readonly bucket: Bucket;
  readonly places: AnalysisPlaces;
  readonly states: RunStates;
  /** Bytes of what was fetched, or stored and kept; 0: no bound. */
  readonly cacheBytes: number;
}

/**
 * An S3-compatible object store; the folders of this host are a cache of it.
 *
 * A run is stored under its own epoch before the row says `completed`: whoever reads the row finds it whole, and what a run
 * stores that does not win is never looked at. A failed run is stored after the row says so: its worker may be the last to
 * hear of it, and only its evidence is at stake.
 */
export class S3Artifacts implements ArtifactStore {
  readonly #folders: RunFolders;
  readonly #runs: StoredRuns;
  readonly #samples: StoredSamples;
  readonly #flights = new Flights();

  constructor(private readonly parts: S3Parts) {
    const { bucket, places, states } = parts;
    this.#folders = new RunFolders(places, states);
    this.#runs = new StoredRuns(bucket, this.#folders);
    this.#samples = new StoredSamples(bucket, places.binaries);
  }

  async begin(task: Task, epoch: number, signal: AbortSignal): Promise<string> {
    if (task.sample) await this.fetchSample(task.sample.sha256, signal);
    return this.#folders.make(task, epoch);
  }

  async save(task: number, epoch: number, signal: AbortSignal): Promise<void> {
    await this.#runs.store(this.#folders.runOf(task, epoch), COMPLETED, signal);
  }

  async publish(task: number, epoch: number, signal: AbortSignal): Promise<boolean> {
    const state = await this.parts.states(task);
    const fate = fateOf(epoch, state);
    if (fate === 'running') throw new TypeError(`run ${task}/${epoch} is published before its row moved`);
    const run = this.#folders.runOf(task, epoch);
    if (fate !== 'lost') {
      await this.#settle(run, fate === 'won' ? COMPLETED : FAILED, signal);
      return true;
    }
    await this.#folders.takeAway(run.dir);
    // A rescheduled task keeps what it had.
    if (state?.status !== 'recovered') await this.#runs.remove(task, epoch, signal);
    return false;
  }

  async fetch(task: number, signal: AbortSignal): Promise<string | null> {
    return this.#flights.join(`task ${task}`, (ended) => this.#fetch(task, ended), signal);
  }

  async publishReports(task: number, signal: AbortSignal): Promise<void> {
    const dir = analysisDir(this.parts.places.analyses, task);
    const mark = await readMark(dir);
    const state = await this.parts.states(task);
    if (mark === null || state === null)
      throw new SandboxError('TASK_NOT_FOUND', `task ${task} was deleted while its report was written`);
    const run = { task, epoch: state.epoch, dir };
    if (mark.stored) await this.#runs.storeReports(run, mark.stored, signal);
    else await this.#runs.store(run, state.status === 'failed_analysis' ? FAILED : COMPLETED, signal);
  }

  async remove(task: number, signal: AbortSignal): Promise<void> {
    await this.#runs.remove(task, 'all', signal);
    await this.#folders.remove(task);
  }

  async sweep(signal: AbortSignal): Promise<void> {
    await this.#folders.sweep(
      (run, fate) => this.#settle(run, fate === 'won' ? COMPLETED : FAILED, signal),
      signal,
    );
    await this.trim(signal);
  }

  async trim(signal: AbortSignal): Promise<void> {
    const { places, cacheBytes } = this.parts;
    if (cacheBytes === 0) return;
    for (const { kind, path, bytes } of overflow(await cachedOf(places), cacheBytes, Date.now())) {
      signal.throwIfAborted();
      if (kind === 'analysis') await this.#folders.takeAway(path);
      // One that came before there was a bucket may be the only one.
      else if ((await this.#samples.size(basename(path), signal)) === bytes) await rm(path, { force: true });
    }
  }

  putSample(sha256: string, signal: AbortSignal): Promise<void> {
    return this.#samples.put(sha256, signal);
  }

  async hasSample(sha256: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#samples.size(sha256, signal)) !== null;
  }

  async fetchSample(sha256: string, signal: AbortSignal): Promise<string> {
    const path = binaryPath(this.parts.places.binaries, sha256);
    if (await isThere(path)) await touch(path);
    else await this.#flights.join(sha256, (ended) => this.#samples.fetch(sha256, ended), signal);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flights.end();
    await this.parts.bucket.close();
  }

  /** Nothing to do when it was done before. */
  async #settle(run: RunFolder, manifest: string, signal: AbortSignal): Promise<void> {
    const mark = await readMark(run.dir);
    if (mark === null) return;
    if (mark.stored?.name !== manifest) await this.#runs.store(run, manifest, signal);
    await this.#folders.placeRun(run);
  }

  async #fetch(task: number, signal: AbortSignal): Promise<string | null> {
    const state = await this.parts.states(task);
    if (state === null || state.status === 'pending' || state.status === 'running') return null;
    const dir = analysisDir(this.parts.places.analyses, task);
    const run = { task, epoch: state.epoch, dir };
    const mark = await readMark(dir);
    const known = mark?.epoch === state.epoch ? mark.stored : undefined;
    for (const name of manifestsOf(state.status)) {
      const before = known?.name === name ? known : undefined;
      const found = await this.#runs.find(run, name, before?.etag, signal);
      if (found === null) continue;
      if (found === 'same') await touch(join(dir, RUN_MARK));
      else if (before) await this.#runs.refresh(run, before, found, signal);
      else await this.#runs.download(run, found, signal);
      return dir;
    }
    // What is here alone: of a time before there was a bucket.
    return mark !== null && !mark.stored && (mark.epoch === 0 || mark.epoch === state.epoch) ? dir : null;
  }
}

/** A rescheduled task had either. */
function manifestsOf(status: TaskStatus): readonly string[] {
  if (status === 'recovered') return [COMPLETED, FAILED];
  return [status === 'failed_analysis' ? FAILED : COMPLETED];
}
