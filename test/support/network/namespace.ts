import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../until.js';

const exec = promisify(execFile);
const REGISTER = new URL('../ts-register.js', import.meta.url).href;

/** A network of its own, which lasts as long as the process that holds it: nothing of it can be left. Needs root. */
export class Namespace implements AsyncDisposable {
  readonly #children = new Set<ChildProcess>();

  private constructor(private readonly holder: ChildProcess) {}

  static async make(): Promise<Namespace> {
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--net', 'sleep', 'infinity'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await once(holder, 'spawn');
    const ours = await readlink('/proc/self/ns/net');
    const name = async (): Promise<string> => (await readFile(`/proc/${holder.pid}/comm`, 'utf8')).trim();
    await until(async () => {
      if (holder.exitCode !== null)
        throw new Error('no network namespace could be made: this test must run as root');
      return (await name()) === 'sleep' && (await readlink(`/proc/${holder.pid}/ns/net`)) !== ours;
    });
    const made = new Namespace(holder);
    await made.run('ip', 'link', 'set', 'lo', 'up');
    return made;
  }

  get pid(): number {
    return this.holder.pid ?? 0;
  }

  /** What a program printed. Rejects when it fails. */
  async run(program: string, ...args: string[]): Promise<string> {
    const { stdout } = await exec('nsenter', ['-t', String(this.pid), '-n', program, ...args]);
    return stdout;
  }

  async succeeds(program: string, ...args: string[]): Promise<boolean> {
    return this.run(program, ...args).then(
      () => true,
      () => false,
    );
  }

  /** Lines of `ip -batch`. */
  async ip(script: string): Promise<void> {
    const child = execFile('nsenter', ['-t', String(this.pid), '-n', 'ip', '-batch', '-']);
    let said = '';
    child.stderr?.on('data', (text: string) => (said += text));
    child.stdin?.end(`${script.trim().replaceAll(/^\s+/gm, '')}\n`);
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`ip -batch failed: ${said}`);
  }

  /** Runs a module of the sources in here, with an IPC channel. */
  fork(module: URL, args: readonly string[], stderr: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
    const child = fork(fileURLToPath(module), [...args], {
      execPath: 'nsenter',
      execArgv: ['-t', String(this.pid), '-n', process.execPath, '--enable-source-maps', '--no-warnings'],
      env: { ...process.env, NODE_OPTIONS: `--import=${REGISTER}` },
      stdio: ['ignore', 'inherit', stderr, 'ipc'],
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#children, this.holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
  }
}
