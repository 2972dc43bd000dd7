import { mkdir, readFile, readdir, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { SandboxError } from '#domain/errors.js';
import { processIdentity, type ProcessIdentity } from './identity.js';

/** What a later start needs to clean up after us, in <run>/machines/<name>.json. */
const record = processIdentity.extend({ machine: z.string(), folder: z.string() });

export type MachineRecord = z.infer<typeof record>;

/** How long a killed process may take to go. */
const KILL_TIMEOUT_MS = 10_000;

/** Every folder a QEMU may write to has a name that begins so. */
export const WORK_PREFIX = 'malkoha-';

function isWorkFolder(path: string): boolean {
  return basename(path).startsWith(WORK_PREFIX);
}

export function recordsFolder(runDir: string): string {
  return join(runDir, 'machines');
}

/** Links the running `pid` to `machine`. `executable` is what it is or is about to become. */
export async function identify(pid: number, executable: string): Promise<ProcessIdentity> {
  const [bootId, startTime] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    startTimeOf(pid),
  ]);
  if (startTime === null) throw new Error(`process ${pid} is gone`);
  return { bootId: bootId.trim(), pid, startTime, executable };
}

export async function writeRecord(runDir: string, entry: MachineRecord): Promise<void> {
  const folder = recordsFolder(runDir);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, `${entry.machine}.json`);
  await writeFile(`${path}.new`, JSON.stringify(entry), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function removeRecord(runDir: string, machine: string): Promise<void> {
  await rm(join(recordsFolder(runDir), `${machine}.json`), { force: true });
}

/**
 * Kills what an earlier process of ours left running and removes its folders; names the machines that were killed.
 * A process is only touched when pid, start time and executable are those of the record.
 *
 * @throws MACHINE_STOP_FAILED when one does not go
 */
export async function reapOrphans(runDir: string): Promise<readonly string[]> {
  const folder = recordsFolder(runDir);
  const killed: string[] = [];
  for (const name of await entries(folder)) {
    const path = join(folder, name);
    const found = name.endsWith('.json') ? await readRecord(path) : null;
    if (found !== null && (await isSame(found))) {
      await end(found);
      killed.push(found.machine);
    }
    if (found !== null && isWorkFolder(found.folder))
      await rm(found.folder, { recursive: true, force: true });
    await rm(path, { recursive: true, force: true });
  }
  return killed;
}

async function end(orphan: MachineRecord): Promise<void> {
  process.kill(orphan.pid, 'SIGKILL');
  // Not our child, so nothing tells us of its end.
  const deadline = Date.now() + KILL_TIMEOUT_MS;
  while (await isSame(orphan)) {
    await sleep(10);
    if (Date.now() > deadline) {
      throw new SandboxError(
        'MACHINE_STOP_FAILED',
        `QEMU process ${orphan.pid} of machine ${orphan.machine} does not die`,
      );
    }
  }
}

async function isSame(known: ProcessIdentity): Promise<boolean> {
  try {
    // A program replaced by an upgrade since is still the one we started.
    const executable = (await readlink(`/proc/${known.pid}/exe`)).replace(/ \(deleted\)$/, '');
    const now = await identify(known.pid, executable);
    return (
      now.bootId === known.bootId && now.startTime === known.startTime && now.executable === known.executable
    );
  } catch {
    return false; // gone, a zombie, or not ours to look at
  }
}

/** Field 22; the second field, the program's name, may hold spaces and parentheses. null = no such process. */
async function startTimeOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

async function readRecord(path: string): Promise<MachineRecord | null> {
  try {
    return record.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null; // half-written by a process that died: its QEMU dies with it
  }
}

async function entries(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // never ran
  }
}
