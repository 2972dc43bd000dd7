import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrorCode, SandboxError } from '#domain/errors.js';
import type { ChildMessage } from '../../ipc.js';

export interface ChildOptions {
  readonly name: string;
  /** Compiled module of the process. */
  readonly module: string;
  readonly args: readonly string[];
  /** File that takes its log (stdout and stderr), or null to let it through to our stderr. */
  readonly logFile: string | null;
  /** Milliseconds it has to end properly when it is told to while it starts. */
  readonly graceMs: number;
  onMessage(message: ChildMessage): void;
  onRestart(why: string): void;
  /** It has ended as an operator wanted, and is not started again. */
  onDrained(): void;
}

/** A process that dies this often within the window is broken, not unlucky. */
const MAX_RESTARTS = 5;
const RESTART_WINDOW_MS = 60_000;
const RESTART_DELAY_MS = 250;

/** One supervised process of the lab: started again when it dies by itself. */
export class Child {
  #process: ChildProcess | null = null;
  #stopping = false;
  #drained = false;
  #deaths: number[] = [];
  #failure: SandboxError | null = null;
  #onReady: () => void = () => {};
  readonly #broken: { promise: Promise<never>; reject: (error: SandboxError) => void };

  private constructor(private readonly options: ChildOptions) {
    this.#broken = rejectable();
  }

  /** Resolves once the process has said that it is ready. @throws what the process gave as its reason */
  static async start(options: ChildOptions, signal: AbortSignal): Promise<Child> {
    const child = new Child(options);
    const ready = new Promise<void>((resolve) => (child.#onReady = resolve));
    await child.#launch();
    const aborted = once(signal, 'abort').then(() => Promise.reject(signal.reason as Error));
    try {
      await Promise.race([ready, child.broken, aborted]);
    } catch (error) {
      await child.stop(options.graceMs);
      throw error;
    }
    return child;
  }

  /** Rejects when the process cannot be kept alive. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Asks it to end; after `graceMs` it is killed. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const process = this.#process;
    if (process === null || process.exitCode !== null || process.signalCode !== null) return;
    const exited = once(process, 'exit');
    process.kill('SIGTERM');
    const timer = setTimeout(() => process.kill('SIGKILL'), graceMs);
    await exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#stopping = true;
    this.#process?.kill('SIGKILL');
  }

  async #launch(): Promise<void> {
    const { module, args, logFile } = this.options;
    await using log = logFile === null ? null : await open(logFile, 'a', 0o600);
    const output = log?.fd ?? 'inherit';
    const child = fork(module, [...args], {
      execArgv: ['--enable-source-maps'],
      // stdout stays for results: what a process prints goes where its log goes.
      stdio: ['ignore', logFile === null ? 2 : output, output, 'ipc'],
    });
    this.#process = child;
    this.#failure = null;
    child.once('exit', (code, signal) => void this.#died(code, signal));
    child.on('message', (message: ChildMessage) => {
      if (message.kind === 'ready') this.#onReady();
      if (message.kind === 'drained') this.#drained = true;
      if (message.kind === 'failed') this.#failure = failure(message);
      this.options.onMessage(message);
    });
  }

  async #died(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    if (this.#stopping) return;
    if (this.#drained) {
      this.options.onDrained();
      return;
    }
    const how = signal === null ? `exit code ${code ?? '?'}` : signal;
    if (this.#failure !== null) {
      this.#broken.reject(this.#failure);
      return;
    }
    const now = Date.now();
    this.#deaths = [...this.#deaths.filter((at) => now - at < RESTART_WINDOW_MS), now];
    if (this.#deaths.length > MAX_RESTARTS) {
      this.#broken.reject(
        new SandboxError(
          'DAEMON_UNREACHABLE',
          `${this.options.name} died ${this.#deaths.length} times within a minute (last: ${how})`,
        ),
      );
      return;
    }
    this.options.onRestart(`${this.options.name} ended (${how}); it is started again`);
    await sleep(RESTART_DELAY_MS);
    await this.#launchAgain();
  }

  async #launchAgain(): Promise<void> {
    if (!this.#stopping) await this.#launch();
  }
}

export function failure(message: Extract<ChildMessage, { kind: 'failed' }>): SandboxError {
  const code = isErrorCode(message.code) ? message.code : 'INTERNAL';
  return new SandboxError(code, message.message);
}

function rejectable(): { promise: Promise<never>; reject: (error: SandboxError) => void } {
  let reject: (error: SandboxError) => void = () => {};
  const promise = new Promise<never>((_, no) => {
    reject = no;
  });
  promise.catch(() => {}); // whoever waits hears of it; nobody has to
  return { promise, reject };
}
