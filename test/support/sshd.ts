import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SshTarget } from '#ssh/target.js';

export interface TestSshd extends AsyncDisposable {
  /** Logs in as the user of the tests, with a key and a known_hosts made for it. */
  readonly target: SshTarget & { readonly identityFile: string; readonly knownHosts: string };
  readonly dir: string;
  /** Wire form of the public host key, base64. */
  readonly hostKey: string;
  /** A key nobody let in. */
  readonly strangerKey: string;
  /** Kills the server with all its connections, and starts it again on the same port. */
  cut(): Promise<void>;
}

export interface SshdOptions {
  /** Lines of sshd_config that go before ours. */
  readonly settings?: readonly string[];
  /** The folder that is /run/libvirt for those who log in. Only where the tests run as root. */
  readonly libvirt?: string;
}

const asRoot = process.getuid?.() === 0;

/**
 * An OpenSSH server of our own on 127.0.0.1, with its own keys and configuration. It ends with everything that was
 * started through it: as root in namespaces of its own, where it finds the /run/sshd it insists on.
 */
export async function startSshd({ settings = [], libvirt }: SshdOptions = {}): Promise<TestSshd> {
  const dir = await mkdtemp(join(tmpdir(), 'sshd-'));
  for (const name of ['host', 'user', 'stranger']) keygen(join(dir, name));
  await writeFile(join(dir, 'authorized_keys'), await readFile(join(dir, 'user.pub')), { mode: 0o600 });
  await chmod(dir, 0o711);
  const hostKey = (await readFile(join(dir, 'host.pub'), 'utf8')).split(' ')[1] ?? '';
  const port = await freePort();
  await writeFile(join(dir, 'known_hosts'), `[127.0.0.1]:${port} ssh-ed25519 ${hostKey}\n`);
  const config = [
    ...settings, // the first value of a setting counts
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${dir}/host`,
    `AuthorizedKeysFile ${dir}/authorized_keys`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'Subsystem sftp internal-sftp',
    `SetEnv HOME=${dir}`, // the user's own ~/.bashrc is not part of the test
  ];
  await writeFile(join(dir, 'sshd_config'), `${config.join('\n')}\n`);
  const sshd = ['/usr/sbin/sshd', '-D', '-e', '-f', join(dir, 'sshd_config')];
  const link = libvirt === undefined ? 'true' : `ln -s ${libvirt} /run/libvirt`;
  const inside = [
    'sh',
    '-c',
    `mount -t tmpfs tmpfs /run && mkdir /run/sshd && ${link} && exec "$@"`,
    'sh',
    ...sshd,
  ];
  const [program = '', ...args] = asRoot
    ? ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', ...inside]
    : sshd;
  let child = await launch(program, args);
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(asRoot ? 'SIGKILL' : 'SIGTERM');
    await exited;
  };
  return {
    target: {
      host: '127.0.0.1',
      port,
      user: userInfo().username,
      identityFile: join(dir, 'user'),
      knownHosts: join(dir, 'known_hosts'),
    },
    dir,
    hostKey,
    strangerKey: join(dir, 'stranger'),
    cut: async () => {
      await end();
      child = await launch(program, args);
    },
    async [Symbol.asyncDispose]() {
      await end();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function launch(program: string, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (line.startsWith('Server listening on')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`sshd ended with ${code}: ${said.join('\n')}`)));
  });
  return child;
}

export function keygen(file: string, type = 'ed25519', passphrase = ''): void {
  const { status, stderr } = spawnSync('ssh-keygen', [
    '-q',
    '-t',
    type,
    '-N',
    passphrase,
    '-C',
    '',
    '-f',
    file,
  ]);
  if (status !== 0) throw new Error(`ssh-keygen: ${String(stderr)}`);
}

/** Free a moment ago: sshd cannot choose one itself. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
