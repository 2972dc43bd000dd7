import { setTimeout as sleep } from 'node:timers/promises';
import { reason } from '#domain/errors.js';
import type { DistTaskRow } from '#distribution/entities/dist-task.entity.js';
import type { SampleFiles } from '#distribution/sample-files.js';
import type { Work } from '#nodes/node.js';
import { failTask } from './ends.js';
import { RETRY_MS, type Again, type Parts } from './parts.js';

/** Milliseconds between two looks for a file. */
const LOOK_MS = 100;

/** Calls `use` with what a node is asked for. A file that is gone ends the task; a disk that is away does not. */
export async function withWork(
  parts: Parts,
  task: DistTaskRow,
  use: (work: Work) => Promise<Again>,
): Promise<Again> {
  let work: Work | null;
  try {
    work = await workOf(parts, task);
  } catch (error) {
    const why = `its file cannot be read: ${reason(error)}`;
    await parts.tasks.note(task, why);
    parts.log('warn', why, { task: task.id, stage: 'submit' });
    return RETRY_MS;
  }
  if (work !== null) return use(work);
  await failTask(parts, task, 'its file is gone from the samples folder', { clean: true });
  return null;
}

/** Null: the file is gone. @throws what the disk says when the folder of samples cannot be read */
async function workOf({ samples }: Parts, task: DistTaskRow): Promise<Work | null> {
  const { sha256 } = task;
  if (sha256 !== null && !(await isThere(samples, sha256))) return null;
  const file = sha256 === null ? null : samples.path(sha256);
  const { mark, target, timeout, priority, options, machine, platform, arch, tags, custom } = task;
  const { memory, enforceTimeout, clock } = task;
  return {
    ...{ mark, file, target, package: task.package, timeout, priority, options },
    ...{ machine, platform, arch, tags, custom, memory, enforceTimeout, clock },
  };
}

/** Who removes a file while a task comes to need it takes its name away for a moment. */
async function isThere(samples: SampleFiles, sha256: string, looks = 5): Promise<boolean> {
  if (await samples.restore(sha256)) return true;
  if (looks === 1) return false;
  await sleep(LOOK_MS);
  return isThere(samples, sha256, looks - 1);
}
