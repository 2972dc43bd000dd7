import type { Submission, Task } from '#domain/task.js';
import type { QueuedTask } from '#queue/lane-queue.js';
import type { MachineOfRun } from '#storage/runs.js';

/** A machine for who claims a task without one. */
export const ON: MachineOfRun = { name: 'linux1', label: 'linux1', manager: 'fake' };

/** What the lanes are told of a task that any machine may run; `changes` say what matters to the test. */
export function queued(changes: Partial<QueuedTask> & Pick<QueuedTask, 'id'>): QueuedTask {
  return {
    ...{ priority: 1, machine: null, platform: null, arch: null, tags: [] },
    ...{ addedOn: new Date('2024-01-01T09:00:00Z'), submitter: null, owner: null },
    ...changes,
  };
}

/** A URL and nothing asked for; `changes` say what matters to the test. */
export function aSubmission(changes: Partial<Submission> = {}): Submission {
  return {
    category: 'url',
    target: 'http://example.test/',
    package: null,
    timeout: 0,
    priority: 1,
    custom: null,
    owner: null,
    machine: null,
    platform: null,
    arch: null,
    tags: [],
    options: null,
    memory: false,
    enforceTimeout: false,
    clock: null,
    submitter: null,
    ...changes,
  };
}

/** A running task for a Windows program; `changes` say what matters to the test. */
export function aTask(changes: Partial<Task> = {}): Task {
  return {
    ...aSubmission({ category: 'file', target: 'a.exe' }),
    id: 12,
    status: 'running',
    addedOn: new Date('2024-01-01T09:00:00Z'),
    startedOn: new Date('2024-01-01T10:00:00Z'),
    completedOn: null,
    route: null,
    outcome: null,
    sample: {
      id: 1,
      fileSize: 4,
      fileType: 'PE32 executable (GUI) Intel 80386, for MS Windows',
      md5: '0'.repeat(32),
      crc32: '00000000',
      sha1: '0'.repeat(40),
      sha256: '0'.repeat(64),
      sha512: '0'.repeat(128),
      ssdeep: null,
    },
    ...changes,
  };
}
