import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SandboxError } from '#domain/errors.js';
import { tryToWrite } from '../nameless.js';

/** Milliseconds: a disk that takes longer, such as a server's that is away, would hold up every task. */
const LONGEST_MS = 5000;

/**
 * Makes the folder that `key` of distributed.conf names, if need be with those above it, and writes there.
 *
 * @throws CONFIG_INVALID, also when that takes longer than `longestMs`
 */
export async function openFolder(path: string, key: string, longestMs = LONGEST_MS): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`its disk did not answer in ${longestMs} ms`)), longestMs);
  });
  try {
    await Promise.race([makeFolder(path).then(() => tryToWrite(path)), late]);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const what = `${key}: nothing can be written to ${path} (${code ?? message}); name a folder that this user may write to`;
    throw new SandboxError('CONFIG_INVALID', what, { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** One by one: below /proc `recursive` of Node 20 tries for ever. Nobody else may read what samples did. */
async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; !(await isThere(at)); at = dirname(at)) missing.unshift(at);
  for (const one of missing) {
    await mkdir(one, { mode: 0o700 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another controller made it just now
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
