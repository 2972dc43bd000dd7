import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ANALYSIS_FOLDERS, ARTIFACTS, type TaskFile } from '#domain/artifacts.js';
import type { Task } from '#domain/task.js';
import { binaryPath } from './binaries.js';

export interface AnalysisPlaces {
  readonly analyses: string;
  readonly binaries: string;
}

export function analysisDir(analyses: string, taskId: number): string {
  return join(analyses, String(taskId));
}

/** Makes what every analysis folder has. */
export async function fillAnalysis(dir: string, places: AnalysisPlaces, task: Task): Promise<void> {
  await Promise.all(ANALYSIS_FOLDERS.map((folder) => mkdir(join(dir, folder))));
  if (task.sample) await linkSample(dir, places, { task: task.id, sha256: task.sample.sha256 });
}

/** `binary` → the stored sample, as seen from where the folder is in the end: analyses/<id>. */
export async function linkSample(
  dir: string,
  { analyses, binaries }: AnalysisPlaces,
  { task, sha256 }: { readonly task: number; readonly sha256: string },
): Promise<void> {
  const to = relative(analysisDir(analyses, task), binaryPath(binaries, sha256));
  await symlink(to, join(dir, ARTIFACTS.sample));
}

/** Whole or not at all: examine() must never read half of it. */
export async function writeTaskFile(dir: string, content: TaskFile): Promise<void> {
  const path = join(dir, ARTIFACTS.task);
  await writeFile(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`, { flush: true });
  await rename(`${path}.new`, path);
}

export async function readTaskFile(dir: string): Promise<TaskFile> {
  // Written by the host alone; the guest may not upload over it.
  return JSON.parse(await readFile(join(dir, ARTIFACTS.task), 'utf8')) as TaskFile;
}

/** The task with its dates as text, for task.json. */
export function taskFileTask({ outcome: _, submitter: __, ...task }: Task): TaskFile['task'] {
  return {
    ...task,
    clock: task.clock?.toISOString() ?? null,
    addedOn: task.addedOn.toISOString(),
    startedOn: task.startedOn?.toISOString() ?? null,
    completedOn: task.completedOn?.toISOString() ?? null,
  };
}

/** analyses/latest → the newest id, swapped in one step: readers never find it missing. */
export async function pointLatest(analyses: string, taskId: number): Promise<void> {
  const fresh = join(analyses, `.latest-${taskId}-${process.pid}`);
  await rm(fresh, { force: true });
  await symlink(String(taskId), fresh);
  await rename(fresh, join(analyses, 'latest'));
}
