import { once } from 'node:events';
import type { ClientChannel } from 'ssh2';
import { SshError } from './ssh-error.js';

export interface ExecLimits {
  /** The program is killed after this. */
  readonly timeoutMs: number;
  /** Most bytes of stdout and stderr together; the program is killed when it writes more. */
  readonly maxBytes: number;
}

export interface ExecResult {
  /** Exit status; null when a signal ended the program. */
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** For a program to say its process id, ms. */
const PID_MS = 2000;

const PID_MARK = '@malkoha-pid:';

/**
 * What to run in place of `argv` so that it can be killed: it says its process id on stderr first. sshd
 * only closes the pipes of a program whose channel closes, and delivers no signals in a session of root.
 */
export function killable(argv: readonly string[]): readonly string[] {
  return ['sh', '-c', `echo ${PID_MARK}$$ >&2; exec "$@" </dev/null`, 'sh', ...argv];
}

/** Kills the program and, where it leads one, its process group. */
export function killer(pid: string): readonly string[] {
  return ['sh', '-c', `kill -KILL -${pid} || kill -KILL ${pid}`];
}

/**
 * Collects what the program behind `channel`, started by `killable`, writes until it ends. `what` names it in errors,
 * `kill` ends it.
 */
export async function collect(
  channel: ClientChannel,
  what: string,
  { limits, kill }: { limits: ExecLimits; kill: (pid: string) => Promise<unknown> },
  signal: AbortSignal,
): Promise<ExecResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const given = { up: false };
  let stop: (why: Error) => void = () => undefined;
  let left = limits.maxBytes + MAX_PID_LINE;
  const keep = (chunks: Buffer[]) => (chunk: Buffer) => {
    left -= chunk.length;
    if (left >= 0) chunks.push(chunk);
    else stop(new SshError('too-long', `${what} wrote more than ${limits.maxBytes} bytes`));
  };
  const cancel = () => stop(signal.reason as Error);
  const expire = () => stop(new SshError('timeout', `${what} did not end within ${limits.timeoutMs} ms`));
  const timer = setTimeout(expire, limits.timeoutMs);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      stop = (why) => {
        given.up = true;
        reject(why);
      };
      if (signal.aborted) cancel();
      channel.on('data', keep(stdout));
      channel.stderr.on('data', keep(stderr));
      channel.on('error', reject);
      // Not 'exit': it may have come before we got the channel. No status at all means that nobody sent one.
      channel.on('close', (status?: number | null) => {
        if (status !== undefined) resolve(status);
        else reject(new SshError('closed', `${what}: the connection ended before the program did`));
      });
    });
    const { rest } = splitPid(Buffer.concat(stderr));
    return { code, stdout: Buffer.concat(stdout), stderr: rest };
  } catch (why) {
    if (given.up) {
      const pid = await pidOf(channel, stderr);
      channel.close();
      // A kill that fails is not said: what made us give up is what the caller must know.
      if (pid !== null) await kill(pid).catch(() => undefined);
    }
    throw why;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
  }
}

/** Digits of a process id, the mark and the line's end. */
const MAX_PID_LINE = PID_MARK.length + 12;

/** Who gives up at once may have to wait for it; null when it does not come. */
async function pidOf(channel: ClientChannel, stderr: readonly Buffer[]): Promise<string | null> {
  const signal = AbortSignal.timeout(PID_MS);
  for (;;) {
    const { pid } = splitPid(Buffer.concat(stderr));
    if (pid !== null) return pid;
    try {
      await once(channel.stderr, 'data', { signal });
    } catch {
      return null;
    }
  }
}

/** Takes our line out; a shell's start-up files may have complained before it. */
function splitPid(stderr: Buffer): { pid: string | null; rest: Buffer } {
  const at = stderr.indexOf(PID_MARK);
  const end = at < 0 ? -1 : stderr.indexOf('\n', at);
  const pid = end < 0 ? '' : stderr.toString('latin1', at + PID_MARK.length, end);
  if (!/^[1-9]\d{0,9}$/.test(pid)) return { pid: null, rest: stderr };
  return { pid, rest: Buffer.concat([stderr.subarray(0, at), stderr.subarray(end + 1)]) };
}
