import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export interface SessionLibvirtd extends AsyncDisposable {
  readonly socket: string;
  /** libvirt's own make-believe hypervisor, the same for all who connect: one domain, `test`, running. */
  readonly uri: string;
  readonly dir: string;
  readonly pid: number;
  /** By what it listens for. */
  readonly ports: Readonly<Partial<Record<'tcp' | 'tls', number>>>;
  /** A crash. */
  kill(): Promise<void>;
  /** Starts it again; what its make-believe hypervisor knew is gone. */
  restart(): Promise<void>;
}

const NOBODY = 65_534;
const asRoot = process.getuid?.() === 0;

export interface SessionOptions {
  /** Lines of libvirtd.conf. */
  readonly settings?: readonly string[];
  /**
   * It serves on 127.0.0.1 instead of its unix socket, over plain TCP or TLS. It has no network of its own: it is
   * handed the sockets, as systemd would.
   */
  readonly listen?: readonly ('tcp' | 'tls')[];
  /** Called with its folder before it starts, for the files that `settings` name. */
  readonly prepare?: (dir: string) => readonly string[];
}

/** A real libvirtd without privileges and without a network, for the test driver. */
export async function startSessionLibvirtd(options: SessionOptions = {}): Promise<SessionLibvirtd> {
  const { settings = [], listen = [], prepare = () => [] } = options;
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
    ['max_client_requests = 5', 'log_outputs = "3:stderr"', ...settings, ...prepare(dir), ''].join('\n'),
  );
  const socket = join(dir, 'run/libvirt/libvirt-sock');
  const listeners = await Promise.all(listen.map(async (kind) => ({ kind, server: await listening() })));
  const ports = Object.fromEntries(
    listeners.map(({ kind, server }) => [kind, (server.address() as AddressInfo).port]),
  );
  let child = await launch({ dir, config, socket, listeners });
  // From here on only libvirtd answers there.
  await Promise.all(listeners.map(({ server }) => once(server.close(), 'close')));
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
    ports,
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
      child = await launch({ dir, config, socket, listeners: [] });
    },
    async [Symbol.asyncDispose]() {
      await end();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface Launch {
  readonly dir: string;
  readonly config: string;
  readonly socket: string;
  readonly listeners: readonly { readonly kind: string; readonly server: Server }[];
}

async function launch({ dir, config, socket, listeners }: Launch) {
  // unshare before setpriv: a network of one's own takes privileges, or else a user namespace.
  const unshare = ['unshare', ...(asRoot ? [] : ['--user', '--map-current-user']), '--net', '--'];
  const drop = asRoot ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
  const setpriv = ['setpriv', ...drop, '--pdeathsig', 'KILL'];
  // Sockets from systemd are for the process id that it names.
  const activated = ['sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh'];
  const argv = [
    ...unshare,
    ...setpriv,
    ...(listeners.length === 0 ? [] : activated),
    ...['/usr/sbin/libvirtd', '-f', config],
  ];
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe', ...listeners.map(({ server }) => fdOf(server))],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: join(dir, 'home'),
      XDG_RUNTIME_DIR: join(dir, 'run'),
      LISTEN_FDS: String(listeners.length),
      LISTEN_FDNAMES: listeners.map(({ kind }) => `libvirtd-${kind}.socket`).join(':'),
    },
  }) as ChildProcessByStdio<null, null, Readable>;
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  await once(child, 'spawn');
  // What is handed over listens already.
  while (listeners.length === 0 && !(await answers(socket))) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`libvirtd did not start:\n${Buffer.concat(said).toString()}`);
    }
    await sleep(10);
  }
  return child;
}

async function listening(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Node has no public way to ask. */
function fdOf(server: Server): number {
  return (server as unknown as { _handle: { fd: number } })._handle.fd;
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
