import { spawn, type ChildProcess } from 'node:child_process';
import { chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve as absolute } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { SandboxError } from '#domain/errors.js';
import { linkedSignal } from '../../linked-signal.js';
import { untilSettled } from '../../until.js';
import { setprivArgs, type Identity } from './identity.js';
import { PATH, type QemuProgram } from './program.js';
import { Qmp, QmpClosed } from './qmp.js';
import { identify, recordsFolder, removeRecord, WORK_PREFIX, writeRecord } from './record.js';
import { Tail } from './tail.js';

/** From spawn to QMP's greeting; 30–80 ms on an idle host, more when many start at once. */
const GREETING_TIMEOUT_MS = 30_000;

/** From QEMU's hanging up to its end. */
const SOON_MS = 1_000;

/** A unix socket's whole path has at most 107 bytes; ours add a folder and a name to it. */
const MAX_FOLDER = 60;

/** What stands at one descriptor of the child, from FD.net (6) on: a descriptor of ours, an unread socket, a pipe, nothing. */
export type Given = number | Socket | 'pipe' | 'ignore';

export interface QemuLaunch {
  readonly program: Pick<QemuProgram, 'path'>;
  readonly identity: Identity | null;
  /** All of QEMU's arguments. */
  readonly args: readonly string[];
  readonly given: readonly Given[];
  /** The child has its own copies of what it was given. */
  readonly onSpawned?: () => void;
  /** A program and its arguments that does something first, with our rights, and then becomes the rest of its arguments. */
  readonly before?: readonly string[];
  /** Machine name: [A-Za-z0-9_.-]+. */
  readonly machine: string;
  /** Holds the record of this process, and its work folder if QEMU can reach it. */
  readonly runDir: string;
}

/** One running QEMU, its control channel and what it left lying about. */
export interface QemuProcess {
  readonly pid: number;
  readonly qmp: Qmp;
  /** QEMU's end is descriptor FD.migration. */
  readonly migration: Duplex;
  /** Only this QEMU and we can reach it. */
  readonly folder: string;
  /** What the guest wrote to its serial port last. Attacker-controlled. */
  readonly console: Tail;
  /** Resolves, with why, when the process has ended. */
  readonly ended: Promise<string>;
  /** `deaf`: the process runs, but its control channel has closed. */
  readonly condition: 'alive' | 'deaf' | 'ended';
  /** QEMU closes its channel some milliseconds before it is gone: why it ended, or null when it goes on. */
  endedSoon(): Promise<string | null>;
  /** Kills it, waits for its end, removes record and work folder. @throws MACHINE_STOP_FAILED when it does not die */
  kill(signal: AbortSignal): Promise<void>;
}

/**
 * Starts a sandboxed, unprivileged QEMU that dies with this process, and waits until it takes commands.
 *
 * @throws MACHINE_START_FAILED with what QEMU said
 */
export async function launchQemu(start: QemuLaunch, signal: AbortSignal): Promise<QemuProcess> {
  if (!/^[\w.-]+$/.test(start.machine)) {
    throw new SandboxError(
      'CONFIG_INVALID',
      `machine name ${JSON.stringify(start.machine)}: use letters, digits, . _ -`,
    );
  }
  const folder = await makeWorkFolder(start);
  try {
    return await spawnQemu(start, folder, signal);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function spawnQemu(start: QemuLaunch, folder: string, signal: AbortSignal): Promise<QemuProcess> {
  const child = spawnIn(folder, start);
  start.onSpawned?.();
  const [qmpStream, migration, serial] = [3, 4, 5].map((fd) => child.stdio[fd] as Duplex) as [
    Duplex,
    Duplex,
    Duplex,
  ];
  const errors = new Tail(child.stderr);
  const console = new Tail(serial);
  for (const stream of [migration, serial, child.stderr]) stream?.on('error', () => undefined); // its end says it all
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`it did not start: ${error.message}`));
    child.once('exit', (code, name) =>
      resolve(`QEMU ended (${name ?? `exit ${code}`})${errors.lastLines()}`),
    );
  });
  const kill = async (by: AbortSignal) => {
    child.kill('SIGKILL');
    migration.destroy();
    serial.destroy();
    try {
      await untilSettled(ended, by);
    } catch (cause) {
      throw new SandboxError(
        'MACHINE_STOP_FAILED',
        `${start.machine}: QEMU process ${child.pid} does not die`,
        { cause },
      );
    }
    await Promise.all([
      removeRecord(start.runDir, start.machine),
      rm(folder, { recursive: true, force: true }),
    ]);
  };
  try {
    const { pid } = child;
    if (pid === undefined) throw new Error(await ended);
    const process = await identify(pid, start.program.path);
    await writeRecord(start.runDir, { ...process, machine: start.machine, folder });
    using patience = linkedSignal([signal], GREETING_TIMEOUT_MS);
    const qmp = await Promise.race([
      Qmp.open(qmpStream, patience.signal),
      ended.then((why) => Promise.reject(new Error(why))),
    ]);
    let condition: QemuProcess['condition'] = 'alive';
    qmp.onClose(() => {
      if (condition === 'alive') condition = 'deaf';
    });
    void ended.then(() => {
      condition = 'ended';
      qmp[Symbol.dispose]();
    });
    return {
      ...{ pid, qmp, migration, folder, console, ended, kill },
      get condition() {
        return condition;
      },
      endedSoon: () => within(ended, SOON_MS),
    };
  } catch (error) {
    // A closed channel says nothing; the process that closed it does.
    const why = error instanceof QmpClosed ? await within(ended, SOON_MS) : null;
    qmpStream.destroy();
    await kill(AbortSignal.timeout(GREETING_TIMEOUT_MS));
    signal.throwIfAborted();
    const cause = why === null ? error : new Error(why);
    throw new SandboxError('MACHINE_START_FAILED', `${start.machine}: QEMU did not start`, { cause });
  }
}

/** What the promise gives within `ms`, else null. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  const over = new AbortController();
  const timer = sleep(ms, null, { signal: over.signal, ref: false }).catch(() => null);
  try {
    return await Promise.race([promise, timer]);
  } finally {
    over.abort();
  }
}

/** Descriptors are duplicated into the child. */
function spawnIn(folder: string, { program, identity, args, given, before = [] }: QemuLaunch): ChildProcess {
  const [command = '', ...rest] = [...before, 'setpriv', ...setprivArgs(identity), program.path, ...args];
  return spawn(command, rest, {
    cwd: folder,
    // A Ctrl-C in our terminal is for us: we stop machines when their time has come.
    detached: true,
    env: { PATH, LC_ALL: 'C', TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...given],
  });
}

/**
 * Beside the record if QEMU can get there, else in the system's temporary folder (root's home is closed to everyone).
 */
async function makeWorkFolder({ machine, runDir, identity }: QemuLaunch): Promise<string> {
  const records = recordsFolder(runDir);
  await mkdir(records, { recursive: true });
  const reachable = records.length <= MAX_FOLDER && (identity === null || (await isOpenToAll(records)));
  const parent = reachable ? records : tmpdir();
  const folder = await mkdtemp(join(absolute(parent), `${WORK_PREFIX}${machine}-`));
  if (identity !== null) await chown(folder, identity.uid, identity.gid);
  return folder;
}

async function isOpenToAll(folder: string): Promise<boolean> {
  for (let at = absolute(folder); ; at = dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

const KILL_TIMEOUT_MS = 10_000;

/** Loads a saved guest into a QEMU that was started for it. @throws MACHINE_START_FAILED, and the QEMU is gone */
export async function orKill(
  qemu: QemuProcess,
  machine: string,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<QemuProcess> {
  try {
    await work();
    return qemu;
  } catch (error) {
    // A closed channel says nothing; the process that closed it does.
    const cause = error instanceof QmpClosed ? new Error((await qemu.endedSoon()) ?? error.message) : error;
    await qemu.kill(AbortSignal.timeout(KILL_TIMEOUT_MS));
    signal.throwIfAborted();
    throw new SandboxError('MACHINE_START_FAILED', `${machine}: its template did not load`, { cause });
  }
}
