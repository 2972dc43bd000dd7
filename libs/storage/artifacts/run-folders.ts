import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Task } from '#domain/task.js';
import { analysisDir, fillAnalysis, pointLatest, type AnalysisPlaces } from '../analyses.js';
import { syncFolder } from '../binaries.js';
import { beginMark, isFolder, readMark } from './run-mark.js';
import { fateOf, type Fate, type RunStates } from './store.js';

/** Milliseconds after which what a process was making, and did not touch since, belongs to one that was killed. */
const ABANDONED_MS = 24 * 3_600_000;
/**
 * Milliseconds after somebody else ended a run until what its worker left is taken for all there is. A worker hears of it
 * within seconds, and then publishes the rest itself.
 */
const GRACE_MS = 10 * 60_000;

/** Makes a run's folder the task's. */
type Settle = (run: RunFolder, fate: Fate) => Promise<void>;

export interface RunFolder {
  readonly task: number;
  readonly epoch: number;
  readonly dir: string;
}

/**
 * The folders of runs on this host, `analyses/.runs/<task>-<epoch>`, and how one becomes `analyses/<task>`: by one rename,
 * so that nobody ever finds half of it.
 */
export class RunFolders {
  readonly #runs: string;

  constructor(
    readonly places: AnalysisPlaces,
    private readonly states: RunStates,
  ) {
    this.#runs = join(places.analyses, '.runs');
  }

  runOf(task: number, epoch: number): RunFolder {
    return { task, epoch, dir: join(this.#runs, `${task}-${epoch}`) };
  }

  async make(task: Task, epoch: number): Promise<string> {
    const { dir } = this.runOf(task.id, epoch);
    await makeFresh(dir);
    await beginMark(dir, epoch);
    await fillAnalysis(dir, this.places, task);
    return dir;
  }

  /** A folder for something that is not whole yet. */
  async temporary(): Promise<string> {
    const dir = join(this.#runs, `.new-${randomUUID()}`);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return dir;
  }

  async fate(task: number, epoch: number): Promise<Fate> {
    return fateOf(epoch, await this.states(task));
  }

  /**
   * Gives a whole folder the task's name; what is there of an older run makes way. False, and nothing happens: this run,
   * or a newer one, is there already, or there is no such folder.
   */
  async place({ task, epoch, dir: from }: RunFolder): Promise<boolean> {
    const to = analysisDir(this.places.analyses, task);
    for (;;) {
      const there = await readMark(to);
      if (there !== null && there.epoch >= epoch) return false;
      if (there !== null) await this.#setAside(to, there.epoch);
      try {
        await rename(from, to);
        await syncFolder(this.places.analyses);
        return true;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') return false;
        // Somebody else placed one meanwhile: look again whose it is.
        if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      }
    }
  }

  /** A run's folder becomes the task's; it is gone afterwards, also when that one is there already. */
  async placeRun(run: RunFolder): Promise<void> {
    if (await this.place(run)) await pointLatest(this.places.analyses, run.task);
    await this.takeAway(run.dir);
  }

  async list(): Promise<readonly RunFolder[]> {
    return (await this.#names()).flatMap((name) => {
      const [, task, epoch] = /^(\d+)-(\d+)$/.exec(name) ?? [];
      if (task === undefined || epoch === undefined) return [];
      return [this.runOf(Number(task), Number(epoch))];
    });
  }

  /** Takes the task's folder and those of its runs away, in one step each, then removes them. */
  async remove(task: number): Promise<void> {
    const runs = (await this.list()).filter((run) => run.task === task);
    for (const dir of [analysisDir(this.places.analyses, task), ...runs.map((run) => run.dir)]) {
      await this.takeAway(dir);
    }
  }

  /** Nobody who looks finds half of it. */
  async takeAway(dir: string): Promise<void> {
    const gone = await this.#moveAside(dir);
    if (gone !== null) await rm(gone, { recursive: true, force: true });
  }

  /** Each run's folder gets what its row says; `settle` is told of those that are the task's and not published. */
  async sweep(settle: Settle, signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    for (const run of await this.list()) {
      signal.throwIfAborted();
      // One that cannot be settled now must not keep the others from it.
      await this.#sweepRun(run, settle).catch((error: unknown) => failures.push(error));
    }
    for (const name of (await this.#names()).filter((one) => one.startsWith('.'))) {
      const dir = join(this.#runs, name);
      const found = await stat(dir).catch(() => null); // made into something meanwhile
      if (found && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(dir, { recursive: true, force: true });
    }
    if (failures.length > 0) throw failures[0];
  }

  async #sweepRun(run: RunFolder, settle: Settle): Promise<void> {
    const state = await this.states(run.task);
    const fate = fateOf(run.epoch, state);
    if (fate === 'won') await settle(run, fate);
    if (fate === 'lost') await this.takeAway(run.dir);
    if (fate !== 'failed' || Date.now() - (state?.completedOn?.getTime() ?? 0) <= GRACE_MS) return;
    const copy = await this.#copy(run.dir);
    try {
      await settle({ ...run, dir: copy }, fate);
    } catch (error) {
      await rm(copy, { recursive: true, force: true });
      throw error;
    }
    await this.takeAway(run.dir);
  }

  /** A worker that was only thought dead may still have files of the run open: what it writes now goes nowhere. */
  async #copy(dir: string): Promise<string> {
    const copy = await this.temporary();
    try {
      await cp(dir, copy, { recursive: true, verbatimSymlinks: true });
    } catch (error) {
      await rm(copy, { recursive: true, force: true }); // half of it, on a disk that is full
      throw error;
    }
    return copy;
  }

  /** Of two that replace an old folder at once, the slower one may have taken away what the faster one placed. */
  async #setAside(dir: string, seenEpoch: number): Promise<void> {
    const aside = await this.#moveAside(dir);
    if (aside === null) return;
    const mark = await readMark(aside);
    if (mark !== null && mark.epoch > seenEpoch) await rename(aside, dir).catch(() => {}); // taken again: by a newer one
    await rm(aside, { recursive: true, force: true });
  }

  async #moveAside(dir: string): Promise<string | null> {
    await mkdir(this.#runs, { recursive: true, mode: 0o700 });
    const aside = join(this.#runs, `.old-${randomUUID()}`);
    try {
      await rename(dir, aside);
      return aside;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  async #names(): Promise<readonly string[]> {
    return (await isFolder(this.#runs)) ? readdir(this.#runs) : [];
  }
}

/** An epoch is given once: that there is a folder of it already is rare, and not worth a look each time. */
async function makeFresh(dir: string): Promise<void> {
  const make = () => mkdir(dir, { mode: 0o700 });
  await make().catch(async (error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') await rm(dir, { recursive: true, force: true });
    else if (code === 'ENOENT') await mkdir(dirname(dir), { recursive: true, mode: 0o700 });
    else throw error;
    await make();
  });
}
