import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SandboxError } from '#domain/errors.js';

/** Where programs are looked for, and all that the programs we start are told of the environment. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface QemuProgram {
  /** Absolute, links resolved: what /proc/<pid>/exe will say. */
  readonly path: string;
  /** First line of `--version`, e.g. `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)`. */
  readonly version: string;
  /** What this build can run guests with. */
  readonly accelerators: readonly string[];
}

/** @throws SETUP_MISSING when there is no QEMU for x86-64 guests, or no setpriv to start it safely */
export async function findQemu(signal: AbortSignal): Promise<QemuProgram> {
  await findProgram('setpriv', 'util-linux');
  return await describeProgram(await findProgram('qemu-system-x86_64', 'qemu-system-x86'), signal);
}

/** Asks a QEMU what it is. */
export async function describeProgram(path: string, signal: AbortSignal): Promise<QemuProgram> {
  const [version, accelerators] = await Promise.all([
    output(path, ['--version'], signal),
    output(path, ['-accel', 'help'], signal),
  ]);
  return {
    path,
    version: version.split('\n')[0]?.trim() ?? '',
    accelerators: accelerators
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
      .filter((line) => line !== ''),
  };
}

/** Absolute path of a program, links resolved; looked for in `first` before PATH. @throws SETUP_MISSING naming the Debian package */
export async function findProgram(
  name: string,
  debianPackage: string,
  first: readonly string[] = [],
): Promise<string> {
  for (const folder of [...first, ...PATH.split(':')]) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return await realpath(path);
    } catch {
      continue; // not in this folder
    }
  }
  throw new SandboxError('SETUP_MISSING', `${name} is not installed: apt-get install ${debianPackage}`);
}

/** Bounded: a program that prints its version takes milliseconds. */
const ASK_TIMEOUT_MS = 20_000;

/** What a program prints. Bounded in time and, by Node, to 1 MB. */
export async function output(path: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const { stdout } = await promisify(execFile)(path, args, {
    env: { PATH, LC_ALL: 'C' },
    timeout: ASK_TIMEOUT_MS,
    signal,
  });
  return stdout;
}
