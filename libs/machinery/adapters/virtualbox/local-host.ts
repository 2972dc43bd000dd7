import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { lstat, mkdtemp, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { diskError } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import { MAX_SAID, PATH, type HostFolder, type Said, type VBoxHost } from './host.js';
import { VBoxError } from './vbox-error.js';

/** From SIGKILL to the end: one that waits for a disk does not end, and is left behind. */
const KILL_MS = 2_000;

/** A server that VBoxManage has started may keep its output open after its end. */
const LAST_WORDS_MS = 500;

export interface LocalHostSetup {
  /** Path of VBoxManage. */
  readonly program: string;
  /**
   * What VBoxManage is told of the environment beside HOME and our name, by which it finds the server that has our
   * machines: VBOX_USER_HOME when they are elsewhere, DISPLAY and XAUTHORITY for mode gui.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** VirtualBox of this host, as the user that we are. */
export function localHost({ program, environment = {} }: LocalHostSetup): VBoxHost {
  const env = { PATH, HOME: homedir(), ...ourName(), ...environment, LC_ALL: 'C' };
  return {
    name: program,
    run: (args, timeoutMs, signal) => run(program, args, { env, timeoutMs }, signal),
    makeFolder: async (near) =>
      localFolder(await mkdtemp(join(near === '' ? tmpdir() : dirname(near), '.vbox-'))),
    async interfaces() {
      try {
        return await readdir('/sys/class/net');
      } catch {
        return null; // no Linux
      }
    },
    async [Symbol.asyncDispose]() {
      // Nothing is open.
    },
  };
}

/** Without it, VBoxManage would start a second server beside the one that the operator's window uses. */
function ourName(): { readonly USER?: string; readonly LOGNAME?: string } {
  try {
    const { username } = userInfo();
    return { USER: username, LOGNAME: username };
  } catch {
    return {}; // a number without a name, as in containers
  }
}

interface Run {
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

async function run(
  program: string,
  args: readonly string[],
  { env, timeoutMs }: Run,
  signal: AbortSignal,
): Promise<Said> {
  signal.throwIfAborted();
  // In a session of its own: a Ctrl-C in our terminal must not end it half-way.
  const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const { code, over } = ending(child);
  let failure: unknown = null;
  const stop = (why: unknown) => {
    failure ??= why;
    child.kill('SIGKILL');
    setTimeout(over, KILL_MS).unref();
  };
  const stdout = collected(child.stdout, stop);
  const stderr = collected(child.stderr, stop);
  const cancel = () => stop(signal.reason);
  const expire = () =>
    stop(new VBoxError('transient', `VBoxManage ${args[0]} did not end within ${timeoutMs} ms`, true));
  const timer = setTimeout(expire, timeoutMs);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const ended = await code;
    if (failure !== null) throw failure as Error;
    return { code: ended, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
}

/** Resolves with the exit code when the process and its output have ended; `over` ends the waiting. */
function ending(child: ChildProcess): { code: Promise<number | null>; over: () => void } {
  let over = (): void => undefined;
  const code = new Promise<number | null>((resolve, reject) => {
    over = () => resolve(null);
    child.once('error', (cause) => reject(notStarted(child.spawnfile, cause)));
    child.once('close', resolve);
    child.once('exit', (exit) => setTimeout(() => resolve(exit), LAST_WORDS_MS).unref());
  });
  return { code, over };
}

function notStarted(program: string, cause: NodeJS.ErrnoException): VBoxError {
  const why = cause.code === 'ENOENT' ? 'is not there' : `cannot be started (${cause.code ?? cause.message})`;
  return new VBoxError('config', `${program} ${why}`, false, { cause });
}

/** Gathers the text of a stream, and stops the process when it is too long. */
function collected(stream: NodeJS.ReadableStream, stop: (why: Error) => void): () => string {
  const chunks: Buffer[] = [];
  let left = MAX_SAID;
  stream.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left >= 0) chunks.push(chunk);
    else stop(new VBoxError('fatal', `VBoxManage wrote more than ${MAX_SAID} bytes`));
  });
  stream.on('error', () => undefined); // its end says it all
  return () => Buffer.concat(chunks).toString('utf8');
}

function localFolder(folder: string): HostFolder {
  const path = (name: string) => join(folder, name);
  return {
    path,
    async size(name) {
      const status = await lstat(path(name)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      });
      return status?.size ?? 0;
    },
    async read(name, maxBytes) {
      await using file = await openChecked(path(name), maxBytes);
      const { size } = await file.stat();
      const content = Buffer.alloc(size);
      const { bytesRead } = await file.read(content, 0, size, 0);
      return content.subarray(0, bytesRead);
    },
    async take(name, to, maxBytes) {
      await using file = await openChecked(path(name), maxBytes);
      await file.chmod(0o600);
      try {
        await rename(path(name), to);
      } catch (cause) {
        throw diskError(`${to} cannot be written`, cause);
      }
    },
    async [Symbol.asyncDispose]() {
      // What VirtualBox still writes into it is no reason to fail.
      await rm(folder, { recursive: true, force: true, maxRetries: 2 }).catch(() => undefined);
    },
  };
}

/** No links followed, no pipe or device opened. */
async function openChecked(path: string, maxBytes: number): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: unknown) => {
      throw new SandboxError('PROTOCOL_VIOLATION', `VirtualBox has not written ${path}`, { cause });
    },
  );
  const status = await file.stat();
  if (status.isFile() && status.size <= maxBytes) return file;
  await file.close();
  const why = status.isFile() ? `has ${status.size} bytes, ${maxBytes} are the most` : 'is no regular file';
  throw new SandboxError('PROTOCOL_VIOLATION', `${path} ${why}`);
}
