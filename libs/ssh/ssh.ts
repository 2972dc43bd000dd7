import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import ssh2, { type ClientChannel, type SFTPWrapper } from 'ssh2';
import { ChannelStream } from './channel-stream.js';
import { collect, killable, killer, type ExecLimits, type ExecResult } from './exec.js';
import { fetchFile } from './fetch-file.js';
import { hostKeyCheck } from './host-key.js';
import { logins, oneAfterTheOther } from './login.js';
import { shellLine } from './quote.js';
import { SshError } from './ssh-error.js';
import { targetName, type SshTarget } from './target.js';

/** A server that says nothing for three of these is gone. */
const KEEPALIVE_MS = 10_000;
/** For TCP, key exchange and login together. */
const READY_MS = 30_000;
/** For the goodbye; then the socket is closed. */
const GOODBYE_MS = 2000;

/** A logged-in connection to one host with a POSIX shell. Everything on it may run at the same time. */
export interface SshConnection extends AsyncDisposable {
  /**
   * Runs a program and returns what it wrote. An exit status is a result, not an error.
   *
   * @throws SshError `timeout` or `too-long` (the program was killed), `closed`, `refused`
   */
  exec(argv: readonly string[], limits: ExecLimits, signal: AbortSignal): Promise<ExecResult>;
  /** Runs a program and talks to it: its stdin and stdout as one stream, which fails when the program does. */
  execDuplex(argv: readonly string[], signal: AbortSignal): Promise<Duplex>;
  /** Connects to a unix socket on the remote host. @throws SshError `refused`: no such socket, or forwarding is off */
  openUnix(path: string, signal: AbortSignal): Promise<Duplex>;
  /** Copies a remote file into the new file `localPath` (mode 0600). @throws SshError `refused`, or what the disk says */
  fetchFile(remotePath: string, localPath: string, signal: AbortSignal): Promise<void>;
}

/**
 * Logs in with a key; the server's key must be in known_hosts.
 *
 * @throws SshError `unreachable`, `host-key`, `login` or `setup`
 */
export async function openSsh(target: SshTarget, signal: AbortSignal): Promise<SshConnection> {
  signal.throwIfAborted();
  const name = targetName(target);
  const [check, methods] = await Promise.all([hostKeyCheck(target), logins(target)]);
  const client = new ssh2.Client();
  let complaint: SshError | null = null;
  let agentSaid = '';
  await new Promise<void>((resolve, reject) => {
    const cancel = () => {
      client.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', cancel, { once: true });
    client.once('ready', () => {
      signal.removeEventListener('abort', cancel);
      resolve();
    });
    // Stays for good: without a listener an error would end the process; later ones reach the channels as their end.
    client.on('error', (error: Error & { level?: string }) => {
      if (error.level === 'agent') return void (agentSaid = ` (agent: ${error.message})`);
      signal.removeEventListener('abort', cancel);
      reject(complaint ?? failure(error, target, agentSaid));
      client.destroy();
    });
    client.once('close', () =>
      reject(new SshError('unreachable', `${name}: the server hung up during the login`)),
    );
    client.connect({
      host: target.host,
      port: target.port,
      username: target.user,
      ...(target.agent === undefined ? {} : { agent: target.agent }),
      authHandler: oneAfterTheOther(methods),
      algorithms: { serverHostKey: check.algorithms },
      hostVerifier: (key: Buffer) => (complaint = check.judge(key)) === null,
      readyTimeout: READY_MS,
      keepaliveInterval: KEEPALIVE_MS,
    });
  });
  return connection(client, name);
}

function failure(error: Error & { level?: string }, target: SshTarget, agentSaid: string): SshError {
  const name = targetName(target);
  if (error.level === 'client-authentication') {
    const keys = target.identityFile ?? 'our keys';
    return new SshError(
      'login',
      `${name}: the server accepts none of ${keys}${agentSaid}: add the public key to ~${target.user}/.ssh/authorized_keys there`,
      { cause: error },
    );
  }
  return new SshError('unreachable', `${name}: no SSH connection: ${error.message}`, { cause: error });
}

function connection(client: ssh2.Client, name: string): SshConnection {
  let down = false;
  client.once('close', () => (down = true));
  /** ssh2 throws when the connection is down and calls back otherwise; a cancelled channel is closed when it comes. */
  const open = <T extends { destroy(): unknown }>(
    what: string,
    ask: (done: (error: Error | undefined, opened: T) => void) => unknown,
    signal: AbortSignal,
    late: (opened: T) => unknown = (opened) => opened.destroy(),
  ) =>
    new Promise<T>((resolve, reject) => {
      const cancel = () => reject(signal.reason as Error);
      if (signal.aborted) {
        cancel();
        return;
      }
      signal.addEventListener('abort', cancel, { once: true });
      const refuse = (cause: unknown) => {
        signal.removeEventListener('abort', cancel);
        const why = cause instanceof Error ? cause.message : String(cause);
        reject(new SshError(down ? 'closed' : 'refused', `${name}: ${what}: ${why}`, { cause }));
      };
      try {
        ask((error, opened) => {
          signal.removeEventListener('abort', cancel);
          if (error !== undefined) refuse(error);
          else if (signal.aborted) late(opened);
          else resolve(opened);
        });
      } catch (cause) {
        refuse(cause);
      }
    });
  const run = (argv: readonly string[], signal: AbortSignal, late?: (channel: ClientChannel) => unknown) => {
    const line = shellLine(argv);
    return open<ClientChannel>(line, (done) => client.exec(line, done), signal, late);
  };
  const kill = async (pid: string) => {
    const signal = AbortSignal.timeout(GOODBYE_MS);
    const channel = await run(killer(pid), signal);
    channel.resume().stderr.resume();
    await once(channel, 'close', { signal });
  };
  return {
    exec: async (argv, limits, signal) => {
      const end = (channel: ClientChannel) =>
        collect(channel, `${name}: ${argv[0] ?? ''}`, { limits, kill }, signal);
      // Cancelled on its way, the program has started all the same: it must be killed.
      const channel = await run(killable(argv), signal, (late) => end(late).catch(() => undefined));
      return await end(channel);
    },
    execDuplex: async (argv, signal) =>
      new ChannelStream(await run(argv, signal), `${name}: ${argv.join(' ')}`),
    openUnix: async (path, signal) =>
      new ChannelStream(
        await open<ClientChannel>(path, (done) => client.openssh_forwardOutStreamLocal(path, done), signal),
        `${name}: ${path}`,
      ),
    fetchFile: async (remotePath, localPath, signal) => {
      const sftp = await open<SFTPWrapper>('sftp', (done) => client.sftp(done), signal);
      try {
        await fetchFile(sftp, remotePath, localPath, signal);
      } catch (cause) {
        signal.throwIfAborted();
        if (typeof (cause as { syscall?: unknown }).syscall === 'string') throw cause; // our disk, not the server
        throw new SshError('refused', `${name}: ${remotePath}: ${(cause as Error).message}`, { cause });
      } finally {
        sftp.end();
      }
    },
    [Symbol.asyncDispose]: async () => {
      if (!down) await goodbye(client);
    },
  };
}

async function goodbye(client: ssh2.Client): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => client.destroy(), GOODBYE_MS);
    client.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    client.end();
  });
}
