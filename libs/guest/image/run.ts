import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Fed to its standard input. */
  readonly input?: Readable;
}

/** Milliseconds between asking a build step to clean up after itself and killing it. */
const GRACE = 10_000;

/**
 * Runs one step of the build; every line that it prints goes to the log and to `onLine`.
 *
 * On abort its whole process group gets SIGTERM (mmdebstrap then removes its folder and its mounts), and SIGKILL
 * if it is still there ten seconds later. Rejects with the signal's reason only when everything has ended.
 *
 * @throws Error naming the program and its last line when it fails
 */
export async function run(
  command: Command,
  log: FileHandle,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(command.program, command.args, {
    cwd: command.cwd,
    // Its own group: a Ctrl-C at the terminal reaches us only, and we end it in order.
    detached: true,
    stdio: [command.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C.UTF-8',
      ...command.env,
    },
  });
  let last = '';
  let forceful: NodeJS.Timeout | undefined;
  const end = () => {
    if (child.pid === undefined) return;
    killGroup(child.pid, 'SIGTERM');
    const { pid } = child;
    forceful = setTimeout(() => killGroup(pid, 'SIGKILL'), GRACE);
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    const outputs = [child.stdout, child.stderr].map(async (stream) => {
      if (stream === null) return;
      for await (const line of createInterface({ input: stream })) {
        last = line;
        await log.write(`${line}\n`);
        onLine(line);
      }
    });
    const ended = new Promise<string | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, by) => resolve(code === 0 ? null : (by ?? `exit code ${code ?? '?'}`)));
    });
    // A program that ends early closes its input: its own exit tells why.
    const fed =
      child.stdin && command.input ? pipeline(command.input, child.stdin).catch(() => undefined) : null;
    const [failure] = await Promise.all([ended, ...outputs, fed]);
    signal.throwIfAborted();
    if (failure !== null) throw new Error(`${command.program}: ${failure}; last line: ${last}`);
  } finally {
    clearTimeout(forceful);
    signal.removeEventListener('abort', end);
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Ended in the meantime.
  }
}
