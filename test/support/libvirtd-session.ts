import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SessionLibvirtd extends AsyncDisposable {
  readonly socket: string;
  /** libvirt's own make-believe hypervisor, the same for all who connect: one domain, `test`, running. */
  readonly uri: string;
  readonly dir: string;
  readonly pid: number;
  /** A crash. */
  kill(): Promise<void>;
  /** Starts it again; what its make-believe hypervisor knew is gone. */
  restart(): Promise<void>;
}

const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;

/**
 * A real libvirtd without privileges and without a network, for the test driver. `settings` are lines of libvirtd.conf;
 * `inside` runs as a shell in its network namespace before it starts.
 */
export async function startSessionLibvirtd(settings: readonly string[] = []): Promise<SessionLibvirtd> {
  const dir = await mkdtemp(join(tmpdir(), 'lv-'));
  const own = async (path: string) => {
    if (asRoot) await chown(path, NOBODY, NOBODY);
  };
  for (const folder of ['', 'run', 'home']) {
    await mkdir(join(dir, folder), { recursive: true });
    await chmod(join(dir, folder), 0o711);
    await own(join(dir, folder));
  }
  const config = join(dir, 'libvirtd.conf');
  await writeFile(
    config,
    ['max_client_requests = 5', 'log_outputs = "3:stderr"', ...settings, ''].join('\n'),
  );
  const socket = join(dir, 'run/libvirt/libvirt-sock');
  let child = await launch(dir, config, socket);
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return {
    socket,
    uri: `test:///default?socket=${socket}`,
    dir,
    get pid() {
      return child.pid ?? 0;
    },
    kill: end,
    restart: async () => {
      await end();
      await rm(join(dir, 'run'), { recursive: true, force: true });
      await mkdir(join(dir, 'run'));
      await chmod(join(dir, 'run'), 0o711);
      await own(join(dir, 'run'));
      child = await launch(dir, config, socket);
    },
    async [Symbol.asyncDispose]() {
      await end();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function launch(dir: string, config: string, socket: string) {
  // unshare before setpriv: a network of one's own takes privileges, or else a user namespace.
  const unshare = ['unshare', ...(asRoot ? [] : ['--user', '--map-current-user']), '--net', '--'];
  const drop = asRoot ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
  const argv = [...unshare, 'setpriv', ...drop, '--pdeathsig', 'KILL', '/usr/sbin/libvirtd', '-f', config];
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: join(dir, 'home'), XDG_RUNTIME_DIR: join(dir, 'run') },
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  while (!(await answers(socket))) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`libvirtd did not start:\n${Buffer.concat(said).toString()}`);
    }
    await sleep(10);
  }
  return child;
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
