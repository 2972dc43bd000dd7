import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { HomePaths } from '#config/home.js';
import { SandboxError } from '#domain/errors.js';
import { startTime } from '#queue/worker-id.js';
import { parseJson } from '../../json.js';

const record = z.object({ pid: z.int(), start: z.int(), url: z.string() });

/** Who runs the daemon of a home folder. A pid alone may be reused: its start time makes it one process. */
export type DaemonRecord = z.infer<typeof record>;

export function daemonFile(home: HomePaths): string {
  return join(home.run, 'daemon.json');
}

/** The daemon that runs on this home now, or null. A record left by a killed one counts as none. */
export async function readDaemon(file: string): Promise<DaemonRecord | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  const parsed = record.safeParse(parseJson(text));
  return parsed.success && startTime(parsed.data.pid) === parsed.data.start ? parsed.data : null;
}

/** Takes the home folder for this process until disposed. @throws ALREADY_RUNNING naming the holder's pid */
export async function lockHome(file: string, url: string): Promise<AsyncDisposable> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const mine: DaemonRecord = { pid: process.pid, start: startTime(process.pid) ?? 0, url };
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, JSON.stringify(mine));
  try {
    for (;;) {
      // link() either makes the name or fails: two starts at once cannot both win, and a reader never sees half a record.
      const taken = await link(draft, file).then(
        () => true,
        () => false,
      );
      if (taken) break;
      const holder = await readDaemon(file);
      if (holder !== null)
        throw new SandboxError(
          'ALREADY_RUNNING',
          `pid ${holder.pid} already runs the daemon of this home folder, at ${holder.url}`,
        );
      await takeAway(file);
    }
  } finally {
    await rm(draft, { force: true });
  }
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
}

/** Removes a dead daemon's record, unless another start has put its own there meanwhile: that one is put back. */
async function takeAway(file: string): Promise<void> {
  const aside = `${file}.${process.pid}.old`;
  const moved = await rename(file, aside).then(
    () => true,
    () => false, // another start took it away
  );
  if (!moved) return;
  if ((await readDaemon(aside)) !== null) await link(aside, file);
  await rm(aside, { force: true });
}
