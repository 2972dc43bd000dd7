import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OwnMachine } from '#domain/machine.js';
import { AgentClient } from '#guest/agent.js';
import type { Dial } from '#guest/dial.js';
import { ensureImage, type GuestImage } from '#guest/image/build.js';
import { findQemu } from '#machinery/adapters/qemu/program.js';
import { guestAuthority } from '../../apps/worker/networks.js';
import { BRIDGE, domainXml, labMachine } from './libvirt-domain.js';
import { LAB_SCRIPT, RELAY_SCRIPT } from './libvirt-lab-scripts.js';

const TESTS = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'malkoha-test');
/** The guest is built once for all tests. */
const SHARED_GUESTS = process.env['MALKOHA_TEST_GUESTS'] ?? join(TESTS, 'guests');
/** Made machines and libvirt's capability cache: the first run boots guests, later ones copy them. */
const CACHE = join(TESTS, 'libvirt');

/** What a made machine is, below the lab's folder. The rest belongs to one libvirtd. */
const MADE = ['etc/qemu', 'lib/qemu/snapshot', 'lib/images'];

export interface LabOptions {
  /** How many machines; default 2. */
  readonly count?: number;
  /** MiB of each machine's RAM; default 512, what an analysis by the default guest needs. */
  readonly memoryMb?: number;
}

/**
 * A real libvirtd (system mode, as root) with machines under it, in network, mount and pid namespaces of their own:
 * nothing of it is on the host, everything is gone with it, also when this process is killed.
 *
 * Machines are named `linux1`, `linux2` …; they boot the default guest, its agent on TCP 8000, at 10.77.0.11, .12 … on
 * the bridge `br0`, where the host is 10.77.0.1. Each has an internal snapshot `clean` (running, its agent answering;
 * libvirt's current one) and one `off`. They have a screen, and are off when the lab opens.
 *
 * Unix sockets are in no network: `uri` works from outside, and from inside as plain `qemu:///system`. Guests are
 * reached from outside by `agent` and `dial`. A whole worker runs inside:
 *
 *     const worker = lab.run([process.execPath, join(ROOT, 'dist/apps/cli/main.js'), 'up', '--machinery', 'kvm', '--home', home.dir]);
 *     const text = await lab.exec(['curl', '-s', `http://127.0.0.1:${home.port}/cuckoo/status`], signal);
 *
 * with `dsn = qemu:///system` and `interface = br0` in kvm.conf, `ip = 10.77.0.1` of `[resultserver]` in cuckoo.conf,
 * and one section per machine out of `machines`. Its API listens in the namespace: ask through `exec` or `dial`.
 * Files are the host's own, but for /etc/libvirt, /run/libvirt, /var/lib/libvirt, /var/log/libvirt and /proc.
 */
export class LibvirtLab implements AsyncDisposable {
  private constructor(
    readonly dir: string,
    readonly machines: readonly OwnMachine[],
    private readonly namespaces: ChildProcess,
    /** PID 1 of the namespaces, as the host numbers it. */
    readonly pid: number,
    /** What the machines boot. */
    readonly image: GuestImage,
  ) {}

  readonly bridge = BRIDGE;

  /** libvirtd's unix socket; works outside too. */
  get socket(): string {
    return join(this.dir, 'run/libvirt-sock');
  }

  get uri(): string {
    return `qemu+unix:///system?socket=${this.socket}`;
  }

  static async open({ count = 2, memoryMb = 512 }: LabOptions, signal: AbortSignal): Promise<LibvirtLab> {
    await mkdir(SHARED_GUESTS, { recursive: true });
    const image = await ensureImage({
      folder: SHARED_GUESTS,
      caCertificate: (await guestAuthority(SHARED_GUESTS)).certificate,
      onProgress: () => undefined,
      signal,
    });
    const machines = Array.from({ length: count }, (_, index) => labMachine(index + 1));
    const domains = machines.map((machine) => domainXml(machine, image, memoryMb));
    const { version } = await findQemu(signal);
    const key = createHash('sha256')
      .update(JSON.stringify([domains, image.hash, version]))
      .digest('hex');
    const made = join(CACHE, 'machines', key.slice(0, 16));

    if (!existsSync(made)) {
      await using lab = await LibvirtLab.#start(machines, image, null, signal);
      await Promise.all(machines.map((machine, index) => lab.#make(machine, domains[index] ?? '', signal)));
      await lab.#keep(made);
    }
    return await LibvirtLab.#start(machines, image, made, signal);
  }

  static async #start(
    machines: readonly OwnMachine[],
    image: GuestImage,
    made: string | null,
    signal: AbortSignal,
  ): Promise<LibvirtLab> {
    const dir = await mkdtemp(join(tmpdir(), 'libvirt-'));
    if (made !== null) await cp(made, dir, { recursive: true });
    const log: Buffer[] = [];
    // Killed when this process ends, however it ends; PID 1 and all its namespaces are killed with it.
    const argv = ['--pdeathsig', 'KILL', 'unshare', '--net', '--mount', '--pid', '--fork', '--kill-child'];
    const relay = [process.execPath, '-e', RELAY_SCRIPT, join(dir, 'relay')];
    const namespaces = spawn(
      'setpriv',
      [
        ...argv,
        '--mount-proc',
        'bash',
        '-c',
        LAB_SCRIPT,
        'libvirt-lab',
        dir,
        join(CACHE, 'capabilities'),
        ...relay,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    namespaces.stdout.on('data', (chunk: Buffer) => log.push(chunk));
    namespaces.stderr.on('data', (chunk: Buffer) => log.push(chunk));
    const ended = () => namespaces.exitCode !== null || namespaces.signalCode !== null;
    try {
      await once(namespaces, 'spawn', { signal });
      const up = () => Promise.all(['run/libvirt-sock', 'relay'].map((name) => answers(join(dir, name))));
      while (!(await up()).every(Boolean)) {
        if (ended()) throw new Error(`the libvirt lab did not start:\n${Buffer.concat(log).toString()}`);
        await sleep(20, undefined, { signal });
      }
      return new LibvirtLab(dir, machines, namespaces, await firstChild(namespaces.pid ?? 0), image);
    } catch (error) {
      await end(namespaces, dir);
      throw error;
    }
  }

  /** Starts a program in the namespaces. It gets SIGTERM when its nsenter, the child given here, is killed. */
  run(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const enter = ['-t', String(this.pid), '-m', '-n', '-p', `--wd=${process.cwd()}`, '--'];
    return spawn('nsenter', [...enter, 'setpriv', '--pdeathsig', 'TERM', '--', ...argv], options);
  }

  /** Its standard output. @throws Error with its standard error, when it fails */
  async exec(argv: readonly string[], signal: AbortSignal): Promise<string> {
    const child = this.run(argv, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code === 0) return Buffer.concat(out).toString();
    throw new Error(`${argv.join(' ')}: ${Buffer.concat(err).toString().trim()}`);
  }

  async virsh(signal: AbortSignal, ...args: readonly string[]): Promise<string> {
    return await this.exec(['virsh', '-q', '-c', 'qemu:///system', ...args], signal);
  }

  /** TCP from inside the lab's network. */
  dial(ip: string, port: number): Dial {
    return async (signal) => {
      const socket = connect(join(this.dir, 'relay'));
      try {
        await once(socket, 'connect', { signal });
        socket.write(`${ip} ${port}\n`);
        return socket;
      } catch (error) {
        socket.on('error', () => undefined);
        socket.destroy();
        throw error;
      }
    };
  }

  agent({ ip, agentPort }: OwnMachine): AgentClient {
    return new AgentClient(this.dial(ip, agentPort));
  }

  /** The machine's QEMU, as the lab's own pid namespace numbers it. */
  async qemuPid({ label }: OwnMachine): Promise<number> {
    return Number(await readFile(join(this.dir, `run/qemu/${label}.pid`), 'utf8'));
  }

  async kill(pid: number, name: 'KILL' | 'STOP' | 'CONT', signal: AbortSignal): Promise<void> {
    await this.exec(['kill', `-${name}`, String(pid)], signal);
  }

  /** Kills libvirtd; machines run on. It is started again at once, or by `resume`. */
  async killLibvirtd(then: 'restart' | 'hold', signal: AbortSignal): Promise<void> {
    const pidFile = join(this.dir, 'run/libvirtd.pid');
    const pid = Number(await readFile(pidFile, 'utf8'));
    if (then === 'hold') await writeFile(join(this.dir, 'hold'), '');
    await this.kill(pid, 'KILL', signal);
  }

  async resumeLibvirtd(signal: AbortSignal): Promise<void> {
    await rm(join(this.dir, 'hold'), { force: true });
    while (!(await answers(this.socket))) await sleep(20, undefined, { signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.namespaces, this.dir);
  }

  async #make(machine: OwnMachine, xml: string, signal: AbortSignal): Promise<void> {
    const { label } = machine;
    const file = join(this.dir, `${label}.xml`);
    await writeFile(file, xml);
    await this.exec(['mkdir', '-p', '/var/lib/libvirt/images'], signal);
    const overlay = [
      '-f',
      'qcow2',
      '-b',
      this.image.root,
      '-F',
      'raw',
      `/var/lib/libvirt/images/${label}.qcow2`,
    ];
    await this.exec(['qemu-img', 'create', '-q', ...overlay], signal);
    await this.virsh(signal, 'define', file);
    await this.virsh(signal, 'start', label);
    await this.agent(machine).waitReady(signal);
    await this.virsh(signal, 'snapshot-create-as', label, 'clean');
    await this.virsh(signal, 'destroy', label);
    await this.virsh(signal, 'snapshot-create-as', label, 'off');
    await this.virsh(signal, 'snapshot-current', label, 'clean');
  }

  /** Another run may have been faster: its machines are as good. */
  async #keep(made: string): Promise<void> {
    await mkdir(CACHE, { recursive: true });
    const kept = await mkdtemp(join(CACHE, 'new-'));
    for (const part of MADE) await cp(join(this.dir, part), join(kept, part), { recursive: true });
    await mkdir(join(CACHE, 'machines'), { recursive: true });
    await rename(kept, made).catch(async (error: unknown) => {
      await rm(kept, { recursive: true, force: true });
      if (!existsSync(made)) throw error;
    });
  }
}

async function answers(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function firstChild(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number.parseInt(children, 10);
}

async function end(namespaces: ChildProcess, dir: string): Promise<void> {
  // `close`, not `exit`: the pipes close when the last process in the namespaces has ended.
  const closed = once(namespaces, 'close');
  namespaces.kill('SIGKILL');
  if (namespaces.exitCode === null && namespaces.signalCode === null) await closed;
  await rm(dir, { recursive: true, force: true });
}
