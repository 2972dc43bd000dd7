import { join } from 'node:path';
import { plainDate } from '#domain/plain-date.js';
import type { Sample, Task } from '#domain/task.js';
import type { Guest, TaskDetails } from '#storage/task-details.js';
import { plainDateOrNull } from '../../http/dates.js';
import type { GuestView, SampleView, TaskView } from './task-schema.js';

/** A task as GET /tasks/view and /tasks/list show it: keys, nulls and date format are a contract. */
export function taskView({ task, guest, errors, submitId }: TaskDetails, targets: string): TaskView {
  return {
    id: task.id,
    category: task.category,
    target: targetOf(task, targets),
    package: task.package,
    timeout: task.timeout,
    priority: task.priority,
    custom: task.custom,
    owner: task.owner,
    machine: task.machine,
    platform: task.platform,
    options: task.options,
    tags: task.tags,
    memory: task.memory,
    enforce_timeout: task.enforceTimeout,
    clock: plainDate(task.clock ?? task.addedOn),
    added_on: plainDate(task.addedOn),
    started_on: plainDateOrNull(task.startedOn),
    completed_on: plainDateOrNull(task.completedOn),
    status: task.status,
    sample_id: task.sample?.id ?? null,
    submit_id: submitId,
    processing: null,
    route: task.route,
    duration: duration(task),
    guest: guest ? guestView(guest, task.id) : {},
    errors,
    sample: task.sample ? sampleView(task.sample) : {},
  };
}

/** `?ids=1`. */
export function taskIdView({ task }: TaskDetails) {
  return { id: task.id, completed_on: plainDateOrNull(task.completedOn) };
}

export function sampleView(sample: Sample): SampleView {
  const { id, fileSize, fileType, md5, crc32, sha1, sha256, sha512, ssdeep } = sample;
  return { id, file_size: fileSize, file_type: fileType, md5, crc32, sha1, sha256, sha512, ssdeep };
}

/** The submitted name, below a folder of its own per content: clients open this path, or take its last part. */
export function targetOf(task: Task, targets: string): string {
  return task.sample ? join(targets, task.sample.sha256, task.target) : task.target;
}

function guestView(guest: Guest, taskId: number): GuestView {
  const { id, name, label, manager, status, startedOn, shutdownOn } = guest;
  return {
    id,
    name,
    label,
    manager,
    status,
    started_on: plainDate(startedOn),
    shutdown_on: plainDateOrNull(shutdownOn),
    task_id: taskId,
  };
}

/** Seconds; -1 while either end is missing. */
function duration({ startedOn, completedOn }: Task): number {
  if (!startedOn || !completedOn) return -1;
  return Math.max(0, Math.round((completedOn.getTime() - startedOn.getTime()) / 1000));
}
