import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { posix } from 'node:path';
import { Transform, type Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { diskError } from '#domain/disk-error.js';
import { SandboxError } from '#domain/errors.js';
import { SshError } from '#ssh/ssh-error.js';
import type { SshConnection } from '#ssh/ssh.js';
import { untilSettled } from '../../until.js';
import { MAX_SAID, type HostFolder, type VBoxHost } from './host.js';
import { VBoxError } from './vbox-error.js';

/** For a program that is done at once, and the way there. */
const SHORT_MS = 30_000;

export interface SshHostSetup {
  /** Path of VBoxManage there. */
  readonly program: string;
  /** Of the host, for messages: `cuckoo@lab2`. */
  readonly name: string;
  /** Logs in; again when the connection was lost. */
  readonly connect: (signal: AbortSignal) => Promise<SshConnection>;
}

/** VirtualBox of another host with a POSIX shell, as the user that we log in as there. */
export function sshHost({ program, name, connect }: SshHostSetup): VBoxHost {
  let connection: Promise<SshConnection> | null = null;

  /** The connection that somebody has found broken, unless there is another one by now. */
  const drop = async (broken: Promise<SshConnection> | null): Promise<void> => {
    if (connection === broken) connection = null;
    await broken?.then((open) => open[Symbol.asyncDispose]()).catch(() => undefined); // it is gone either way
  };

  /** One connection for all; whoever is cancelled does not cancel the others' login. */
  const connected = (): Promise<SshConnection> => {
    const opening = (connection ??= connect(AbortSignal.timeout(SHORT_MS)));
    opening.catch(() => drop(opening));
    return opening;
  };

  /** @throws VBoxError in the place of an SshError */
  const using = async <T>(use: (open: SshConnection) => Promise<T>, signal: AbortSignal): Promise<T> => {
    signal.throwIfAborted();
    const current = connected();
    try {
      return await use(await untilSettled(current, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof SshError)) throw error;
      if (error.kind === 'closed') await drop(current);
      throw vboxError(error);
    }
  };

  const execute = (argv: readonly string[], limits: Limits, signal: AbortSignal) =>
    using((open) => open.exec(argv, limits, signal), signal);

  return {
    name: `${name}: ${program}`,

    async run(args, timeoutMs, signal) {
      // 127: env did not find it, 126: may not start it. VBoxManage itself ends with 0, 1 or 2.
      const argv = ['env', 'LC_ALL=C', program, ...args];
      const { code, stdout, stderr } = await execute(argv, { timeoutMs, maxBytes: MAX_SAID }, signal);
      if (code === 127) throw new VBoxError('config', `${program} is not there`);
      if (code === 126) throw new VBoxError('config', `${program} cannot be started`);
      return { code, stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8') };
    },

    async makeFolder(_near, signal) {
      const limits = { timeoutMs: SHORT_MS, maxBytes: 4096 };
      // Memory is dumped there: /tmp may be a RAM disk.
      const { code, stdout, stderr } = await execute(
        ['mktemp', '-d', '/var/tmp/malkoha.XXXXXXXXXX'],
        limits,
        signal,
      );
      const folder = stdout.toString('utf8').trim();
      if (code === 0 && /^\/var\/tmp\/malkoha\.\w+$/.test(folder)) return remoteFolder(folder);
      throw new VBoxError(
        'fatal',
        `${name}: no folder in /var/tmp: ${stderr.toString('latin1').slice(0, 200)}`,
      );
    },

    interfaces: async () => null, // what captures and routes runs here, not there

    [Symbol.asyncDispose]: () => drop(connection),
  };

  function remoteFolder(folder: string): HostFolder {
    const path = (file: string) => posix.join(folder, file);
    /** Null: it is not there. */
    const sizeOf = async (file: string, signal: AbortSignal): Promise<number | null> => {
      const limits = { timeoutMs: SHORT_MS, maxBytes: 4096 };
      const { code, stdout } = await execute(['wc', '-c', path(file)], limits, signal);
      return code === 0 ? Number.parseInt(stdout.toString('latin1').trim(), 10) : null;
    };
    /** Before a byte of it is fetched. */
    const mustBeAtMost = async (file: string, maxBytes: number, signal: AbortSignal) => {
      const size = await sizeOf(file, signal);
      if (size !== null && size <= maxBytes) return;
      const why = size === null ? 'is not there' : `has ${size} bytes, ${maxBytes} are the most`;
      throw new SandboxError('PROTOCOL_VIOLATION', `${name}: ${path(file)} ${why}`);
    };
    return {
      path,
      size: async (file, signal) => (await sizeOf(file, signal)) ?? 0,
      async read(file, maxBytes, signal) {
        const { code, stdout } = await execute(
          ['cat', path(file)],
          { timeoutMs: SHORT_MS, maxBytes },
          signal,
        );
        if (code === 0) return stdout;
        throw new SandboxError('PROTOCOL_VIOLATION', `${name}: ${path(file)} cannot be read`);
      },
      async take(file, to, maxBytes, signal) {
        await mustBeAtMost(file, maxBytes, signal);
        const source = await using((open) => open.execDuplex(['cat', path(file)], signal), signal);
        source.end();
        await fetched(source, to, maxBytes, signal);
      },
      async [Symbol.asyncDispose]() {
        const limits = { timeoutMs: SHORT_MS, maxBytes: 4096 };
        const removed = execute(['rm', '-rf', '--', folder], limits, AbortSignal.timeout(SHORT_MS));
        await removed.catch(() => undefined); // the host has gone: so has our way to it
      },
    };
  }
}

/** Not by SFTP: what comes is counted, whatever the other host said of the file's size. */
async function fetched(source: Duplex, to: string, maxBytes: number, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(source, atMost(maxBytes), createWriteStream(to, { flags: 'wx', mode: 0o600 }), { signal });
  } catch (cause) {
    await rm(to, { force: true });
    signal.throwIfAborted();
    if (typeof (cause as NodeJS.ErrnoException).syscall !== 'string') throw cause;
    throw diskError(`${to} cannot be written`, cause);
  }
}

function atMost(maxBytes: number): Transform {
  let left = maxBytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left >= 0) done(null, chunk);
      else done(new SandboxError('PROTOCOL_VIOLATION', `a file of more than ${maxBytes} bytes`));
    },
  });
}

interface Limits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

function vboxError(error: SshError): VBoxError {
  switch (error.kind) {
    case 'timeout':
      return new VBoxError('transient', error.message, true, { cause: error });
    case 'closed':
    case 'unreachable':
      return new VBoxError('transient', error.message, false, { cause: error });
    case 'host-key':
    case 'login':
    case 'setup':
      return new VBoxError('config', error.message, false, { cause: error });
    case 'refused':
    case 'too-long':
      return new VBoxError('fatal', error.message, false, { cause: error });
  }
}
