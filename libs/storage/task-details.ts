import type { Sample, Task, TaskStatus } from '#domain/task.js';
import type { GuestStatus } from './entities/guest.entity.js';
import type { OutcomeCode } from '#domain/outcome.js';
import type { SampleRow } from './entities/sample.entity.js';

export interface Guest {
  readonly id: number;
  readonly name: string;
  readonly label: string;
  /** Kind of machinery. */
  readonly manager: string;
  readonly status: GuestStatus;
  readonly startedOn: Date;
  readonly shutdownOn: Date | null;
}

/** A task with everything the API tells about it. */
export interface TaskDetails {
  readonly task: Task;
  readonly guest: Guest | null;
  /** Messages, oldest first. */
  readonly errors: readonly string[];
  /** The request it came with, when that may make several tasks. */
  readonly submitId: number | null;
}

/** Won by one worker: whoever ends this run must name its epoch. */
export interface Claim {
  readonly task: Task;
  /** Counts from 1. */
  readonly attempt: number;
  readonly epoch: number;
  /** Machines it failed on before through no fault of its own. */
  readonly avoid: readonly string[];
}

/** What a move may set beside the status. */
export interface MoveFields {
  readonly startedOn?: Date | null;
  readonly completedOn?: Date | null;
  readonly route?: string | null;
  readonly outcome?: OutcomeCode | null;
  readonly avoid?: readonly string[] | null;
}

/** Every field is optional; nothing narrows to nothing. */
export interface TaskFilter {
  readonly status?: string;
  readonly owner?: string;
  readonly sampleId?: number;
  /** Strictly later. */
  readonly completedAfter?: Date;
}

/** A place in the order of a list: after the task with this completion (as stored, see columns.ts) and id. */
export interface ListPlace {
  readonly id: number;
  readonly completedOn: string | null;
}

export type TaskCounts = Readonly<Record<TaskStatus, number>> & { readonly total: number };

/** A queued or running task as the reconciler looks at it. */
export interface TaskLease {
  readonly id: number;
  readonly status: TaskStatus;
  readonly priority: number;
  readonly machine: string | null;
  readonly platform: string | null;
  readonly arch: string | null;
  readonly tags: readonly string[];
  readonly owner: string | null;
  readonly submitter: string | null;
  readonly addedOn: Date;
  /** Machines it failed on through no fault of its own. */
  readonly avoid: readonly string[];
  readonly worker: string | null;
  readonly attempt: number;
  readonly epoch: number;
}

export function toSample(row: SampleRow): Sample {
  const { id, fileSize, fileType, md5, crc32, sha1, sha256, sha512, ssdeep } = row;
  return { id, fileSize, fileType, md5, crc32, sha1, sha256, sha512, ssdeep };
}
