import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL = 250; // milliseconds between two looks at a lock that another builder holds

/** `pid:start time` of a process of this host, or null when there is none: pids are given again, start times are not. */
export async function identity(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; the start time is the 20th field after it.
    return `${pid}:${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return null;
  }
}

async function alive(holder: string): Promise<boolean> {
  return (await identity(Number.parseInt(holder, 10))) === holder;
}

/**
 * Takes the one builder's lock of `folder`; a second builder waits. A lock whose process is gone is taken over.
 * Also removes what dead builders left: `*.tmp-<pid>:<start>` folders.
 */
export async function buildLock(
  folder: string,
  onWait: () => void,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'build.lock');
  const me = await identity(process.pid);
  if (me === null) throw new Error('/proc is not readable');
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted();
    try {
      await writeFile(path, me, { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readFile(path, 'utf8').catch(() => '');
    // An empty file is one whose writer is between open and write: give it a moment.
    if ((holder !== '' || tries > 8) && !(await alive(holder))) {
      await takeAway(path, me);
      continue;
    }
    if (tries === 0) onWait();
    await sleep(POLL, undefined, { signal });
  }
  await removeLeftovers(folder);
  return {
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true }).catch(() => undefined);
    },
  };
}

/** Removes a dead builder's lock. Two waiters may do so at once: what was taken away alive is put back. */
async function takeAway(path: string, me: string): Promise<void> {
  const aside = `${path}.${me}`;
  try {
    await rename(path, aside);
    if (await alive(await readFile(aside, 'utf8'))) await link(aside, path);
  } catch {
    // The other waiter was quicker.
  }
  await rm(aside, { force: true });
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const holder = /\.tmp-(\d+:\d+)$/.exec(name)?.[1];
    if (holder !== undefined && !(await alive(holder))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
