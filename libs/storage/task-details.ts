import type { Sample, Task, TaskStatus } from '#domain/task.js';
import type { GuestStatus } from './entities/guest.entity.js';
import type { SampleRow } from './entities/sample.entity.js';
import type { TaskRow } from './entities/task.entity.js';

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
}

/** Won by one worker: whoever ends this run must name its epoch. */
export interface Claim {
  readonly task: Task;
  /** Counts from 1. */
  readonly attempt: number;
  readonly epoch: number;
}

/** Every field is optional; nothing narrows to nothing. */
export interface TaskFilter {
  readonly status?: string;
  readonly owner?: string;
  readonly sampleId?: number;
  /** Strictly later. */
  readonly completedAfter?: Date;
}

export type TaskCounts = Readonly<Record<TaskStatus, number>> & { readonly total: number };

/** A queued or running task as the reconciler looks at it. */
export interface TaskLease {
  readonly id: number;
  readonly status: TaskStatus;
  readonly priority: number;
  readonly machine: string | null;
  readonly platform: string | null;
  readonly tags: readonly string[];
  readonly worker: string | null;
  readonly heartbeatOn: Date | null;
  readonly attempt: number;
  readonly epoch: number;
}

export function toSample(row: SampleRow): Sample {
  const { id, fileSize, fileType, md5, crc32, sha1, sha256, sha512, ssdeep } = row;
  return { id, fileSize, fileType, md5, crc32, sha1, sha256, sha512, ssdeep };
}

/** `row` with its sample and tags loaded. */
export function toTask(row: TaskRow): Task {
  return {
    id: row.id,
    category: row.category,
    target: row.target,
    package: row.package,
    timeout: row.timeout,
    priority: row.priority,
    custom: row.custom,
    owner: row.owner,
    machine: row.machine,
    platform: row.platform,
    tags: tagNames(row),
    options: row.options,
    memory: row.memory,
    enforceTimeout: row.enforceTimeout,
    clock: row.clock,
    status: row.status,
    addedOn: row.addedOn,
    startedOn: row.startedOn,
    completedOn: row.completedOn,
    route: row.route,
    sample: row.sample && toSample(row.sample),
  };
}

export function toLease(row: TaskRow): TaskLease {
  const { id, status, priority, machine, platform, worker, heartbeatOn, attempt, epoch } = row;
  return {
    id,
    status,
    priority,
    machine,
    platform,
    tags: tagNames(row),
    worker,
    heartbeatOn,
    attempt,
    epoch,
  };
}

/** In the order they were first seen anywhere: stable, whatever order the join gives. */
function tagNames(row: TaskRow): string[] {
  return row.tags.toSorted((a, b) => a.id - b.id).map((tag) => tag.name);
}
