import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredManifest } from './manifest.js';

/** In an analysis folder, which run it is of. Ours, no artefact: archives leave it out, guests cannot name it. */
export const RUN_MARK = '.run.json';

export interface RunMark {
  /** 0: of a time before runs had folders of their own. */
  readonly epoch: number;
  /** What the object store has of it; absent: nothing, or there is no object store. */
  readonly stored?: StoredManifest;
}

/** Null: there is no such folder. */
export async function readMark(dir: string): Promise<RunMark | null> {
  try {
    return JSON.parse(await readFile(join(dir, RUN_MARK), 'utf8')) as RunMark;
  } catch (error) {
    // Half of one is what a power cut leaves of a run that was under way.
    if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return (await isFolder(dir)) ? { epoch: 0 } : null;
  }
}

/** Of a run that begins. It is not worth a sync of the disk: until its end the run is nothing to keep. */
export async function beginMark(dir: string, epoch: number): Promise<void> {
  await writeFile(join(dir, RUN_MARK), JSON.stringify({ epoch } satisfies RunMark), { flag: 'wx' });
}

export async function writeMark(dir: string, mark: RunMark): Promise<void> {
  const path = join(dir, RUN_MARK);
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, JSON.stringify(mark), { flush: true });
  await rename(fresh, path);
}

export async function isFolder(dir: string): Promise<boolean> {
  return stat(dir).then(
    (found) => found.isDirectory(),
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    },
  );
}
