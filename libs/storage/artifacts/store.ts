import type { Task, TaskStatus } from '#domain/task.js';

/** What the row of a task says of its last run. */
export interface RunState {
  readonly epoch: number;
  readonly status: TaskStatus;
  readonly completedOn: Date | null;
}

/** Asks the database; null: there is no such task (any more). */
export type RunStates = (task: number) => Promise<RunState | null>;

/**
 * Where the artefacts of tasks and the samples live, for every process of the lab.
 *
 * A run is named by its task and epoch, and writes into a folder of its own. Which run is the task's is decided by the
 * row alone: `publish` and `fetch` ask it. So a worker that lost its lease can write what it wants, nobody sees it.
 *
 *     claim → begin → … task.json → save → the row moves → publish → fetch → reports → publishReports
 *
 * Every step may be tried again, and a process may end at any point: `fetch` and `sweep` finish what was begun.
 */
export interface ArtifactStore extends AsyncDisposable {
  /**
   * A fresh folder for one run, on this host, with its sub-folders and, for a file, `binary` → the sample.
   *
   * @throws SAMPLE_MISSING, NO_DISK_SPACE, ARTIFACTS_UNAVAILABLE
   */
  begin(task: Task, epoch: number, signal: AbortSignal): Promise<string>;
  /**
   * Makes the run safe, once nothing writes to it any more, before its row says `completed`: from then on whoever reads
   * the row must find the artefacts, though this host burned down.
   *
   * @throws ARTIFACTS_UNAVAILABLE
   */
  save(task: number, epoch: number, signal: AbortSignal): Promise<void>;
  /**
   * Makes the run the task's, once its row has moved, to `completed` or to `failed_analysis`. False: the row says that the
   * run is not the task's; it is removed.
   *
   * @throws ARTIFACTS_UNAVAILABLE
   */
  publish(task: number, epoch: number, signal: AbortSignal): Promise<boolean>;
  /**
   * The task's artefacts as a folder on this host, to read and to write the report into; null: it has none (yet).
   *
   * @throws ARTIFACTS_UNAVAILABLE, ARTIFACTS_DAMAGED, NO_DISK_SPACE
   */
  fetch(task: number, signal: AbortSignal): Promise<string | null>;
  /**
   * What was written into reports/ of the fetched folder, and task.json, reach everybody.
   *
   * @throws ARTIFACTS_UNAVAILABLE
   */
  publishReports(task: number, signal: AbortSignal): Promise<void>;
  /** For a task whose row is gone. */
  remove(task: number, signal: AbortSignal): Promise<void>;
  /** Finishes what runs of this host left, and removes what is nobody's. Safe beside running workers. */
  sweep(signal: AbortSignal): Promise<void>;
  /** Keeps what was only fetched below its bound. */
  trim(signal: AbortSignal): Promise<void>;
  /**
   * From storage/binaries to everybody: before a task names it.
   *
   * @throws ARTIFACTS_UNAVAILABLE
   */
  putSample(sha256: string, signal: AbortSignal): Promise<void>;
  hasSample(sha256: string, signal: AbortSignal): Promise<boolean>;
  /**
   * The sample's path in storage/binaries of this host.
   *
   * @throws SAMPLE_MISSING, ARTIFACTS_UNAVAILABLE, ARTIFACTS_DAMAGED, NO_DISK_SPACE
   */
  fetchSample(sha256: string, signal: AbortSignal): Promise<string>;
}

/** The run ended by its own worker's word, which was its last: nothing writes to its folder any more. */
const OWN_END: readonly TaskStatus[] = ['completed', 'reported', 'failed_processing', 'failed_reporting'];

export type Fate = 'running' | 'won' | 'failed' | 'lost';

/** What becomes of a run of `epoch`. `failed`: somebody else may have said so, while the run still goes on. */
export function fateOf(epoch: number, state: RunState | null): Fate {
  if (state?.epoch !== epoch) return 'lost';
  if (state.status === 'running') return 'running';
  if (state.status === 'failed_analysis') return 'failed';
  return OWN_END.includes(state.status) ? 'won' : 'lost';
}
