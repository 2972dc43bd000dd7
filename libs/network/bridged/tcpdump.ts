import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { stat } from 'node:fs/promises';
import { deadline } from '#domain/deadline.js';
import { diskError } from '#domain/disk-error.js';
import { reason, SandboxError } from '#domain/errors.js';
import { AppendFile } from '../append-file.js';
import { captureIdentity } from './capture-identity.js';
import { CaptureSink, type Watcher } from './capture-sink.js';
import { interfaceNames } from './interfaces.js';
import { LastWords } from './last-words.js';
import { PROGRAM_ENV } from './tcpdump-program.js';
import { advice, countersIn, type TcpdumpCounters } from './tcpdump-words.js';

/** From spawn to the file header: 20–30 ms on an idle host. */
const READY_TIMEOUT_MS = 10_000;
/** From SIGINT to the end: 25–60 ms. */
const STOP_TIMEOUT_MS = 10_000;
/** At the end: for packets that the kernel has and tcpdump has not. */
const CATCH_UP_MS = 1_000;
/** As the default guest's capture: a guest must not fill the disk. */
const MAX_FILE_BYTES = 1024 * 1024 * 1024;

export interface TcpdumpStart {
  /** Absolute path of tcpdump. */
  readonly program: string;
  /** One of the host's, or `any`. */
  readonly interface: string;
  /** One pcap filter expression; see `captureFilter`. */
  readonly filter: string;
  /** The capture file, made or emptied. */
  readonly path: string;
  /** Bytes of the file; packets beyond are counted. */
  readonly maxBytes?: number;
  /** Looks at the packets as they come, and knows where they were meant to go. Must not throw. */
  readonly watcher?: Watcher;
}

export interface CaptureCounts {
  /** In the file. */
  readonly packets: number;
  /** Seen and left out, because the file has its full size. */
  readonly omitted: number;
  /** Lost by the kernel, as tcpdump says; null when it does not say. */
  readonly dropped: number | null;
}

export interface TcpdumpCapture extends AsyncDisposable {
  /** Aborts with CAPTURE_FAILED or NO_DISK_SPACE as soon as the capture is not whole any more. */
  readonly failed: AbortSignal;
  /** Stops it, then rejects with what is wrong with the capture, if anything was at any time. */
  finish(): Promise<CaptureCounts>;
}

/**
 * Captures an interface's traffic to a file; resolves when it does, so that nothing later is missed.
 *
 * tcpdump writes to us, not to the file: so it needs no right to the folder, be it another user or confined by AppArmor; the
 * disk's own errors are seen; packets can be looked at as they come; and a tcpdump whose worker is gone ends at its next.
 *
 * @throws CAPTURE_FAILED with tcpdump's words and what to do; NO_DISK_SPACE
 */
export async function startTcpdump(start: TcpdumpStart, signal: AbortSignal): Promise<TcpdumpCapture> {
  await mustBeThere(start.interface);
  const capture = await Capture.spawn(start);
  try {
    await capture.ready(signal);
    return capture;
  } catch (error) {
    await capture[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw error;
  }
}

/** tcpdump would take a number for the n-th interface. */
async function mustBeThere(name: string): Promise<void> {
  const names = await interfaceNames();
  if (name === 'any' || names.includes(name)) return;
  throw new SandboxError(
    'CAPTURE_FAILED',
    `there is no interface ${JSON.stringify(name)} to capture on: this host has ${names.join(', ')}`,
  );
}

class Capture implements TcpdumpCapture {
  private readonly failing = new AbortController();
  private readonly sink: CaptureSink;
  private readonly words: LastWords;
  /** How it ended: exit code, or the name of the signal. */
  private readonly ended: Promise<number | string>;
  private readonly pumped: Promise<void>;
  private headed: () => void = () => undefined;
  private stopping = false;
  private closing: Promise<void> | null = null;

  private constructor(
    private readonly start: TcpdumpStart,
    private readonly child: ChildProcess & { readonly stdout: Readable; readonly stderr: Readable },
    private readonly file: AppendFile,
    diskFailed: AbortSignal,
  ) {
    this.sink = new CaptureSink(file, start.maxBytes ?? MAX_FILE_BYTES, start.watcher ?? null);
    this.words = new LastWords(child.stderr);
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, name) => resolve(code ?? name ?? 'ended'));
    });
    this.pumped = this.pump();
    diskFailed.addEventListener('abort', () => this.fail(diskFailed.reason as SandboxError), { once: true });
    void this.ended.then(async (how) => {
      if (!this.stopping) this.fail(await this.unwanted(how));
    });
  }

  static async spawn(start: TcpdumpStart): Promise<Capture> {
    const identity = await captureIdentity(start.program);
    const disk = new AbortController();
    const what = `${start.path} cannot be written`;
    const file = await AppendFile.create(start.path, (cause) => disk.abort(diskError(what, cause))).catch(
      (cause: unknown) => {
        throw diskError(what, cause);
      },
    );
    const { program, filter } = start;
    const child = spawn(
      'setpriv',
      [
        ...identity,
        program,
        ...['-i', start.interface, '-nn', '-s', '0', '-U', '--immediate-mode', '-B', '8192'],
        ...['-w', '-', '--', filter],
      ],
      // A Ctrl-C in our terminal is for us: the capture ends when its task does.
      { detached: true, env: PROGRAM_ENV, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    return new Capture(start, child, file, disk.signal);
  }

  get failed(): AbortSignal {
    return this.failing.signal;
  }

  /** Until the file header has come: tcpdump sends it once it captures, whatever it says in which words. */
  async ready(signal: AbortSignal): Promise<void> {
    using limit = deadline(READY_TIMEOUT_MS, signal);
    await new Promise<void>((resolve, reject) => {
      const late = (): void => {
        const { interface: name } = this.start;
        reject(
          new SandboxError(
            'CAPTURE_FAILED',
            `tcpdump does not begin to capture on ${name}${this.words.last()}`,
          ),
        );
      };
      const failed = (): void => reject(this.failed.reason as Error);
      limit.signal.addEventListener('abort', late, { once: true });
      this.failed.addEventListener('abort', failed, { once: true });
      this.headed = resolve;
      if (this.sink.whole > 0) resolve();
      if (this.failed.aborted) failed();
      if (limit.signal.aborted) late();
    });
  }

  async finish(): Promise<CaptureCounts> {
    await this[Symbol.asyncDispose]();
    this.failed.throwIfAborted();
    const { packets, omitted } = this.sink;
    return { packets, omitted, dropped: countersIn(this.words.text)?.dropped ?? null };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.closing ??= this.close().catch((error: unknown) => this.fail(error)));
  }

  private async close(): Promise<void> {
    if (!this.failed.aborted) await this.catchUp();
    this.stopping = true;
    const early = !this.child.kill('SIGINT');
    const how = await this.end();
    if (early) this.fail(await this.unwanted(how));
    this.sink.end();
    await this.file.close();
    if (this.failed.aborted) return;
    await this.sink.mend(this.start.path);
    await this.verify(how);
  }

  /**
   * SIGINT ends tcpdump at once, with what it has read by then. SIGUSR1 makes it print its counters: it is told to end
   * when it has read all that passed the filter, or when it does not get there.
   */
  private async catchUp(): Promise<void> {
    using limit = deadline(CATCH_UP_MS, this.failed);
    while (!limit.signal.aborted) {
      const said = this.words.next(limit.signal);
      if (!this.child.kill('SIGUSR1')) return;
      await said;
      const counters = countersIn(this.words.text);
      if (counters !== null && counters.captured + counters.dropped >= counters.received) return;
    }
  }

  private async end(): Promise<number | string> {
    const kill = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    try {
      const how = await this.ended;
      await this.pumped;
      return how;
    } finally {
      clearTimeout(kill);
    }
  }

  /** Its exit code and the file itself: the wording of its last lines differs between versions. */
  private async verify(how: number | string): Promise<void> {
    const { path } = this.start;
    const { problem, whole, packets, omitted } = this.sink;
    if (how !== 0) {
      this.fail(await this.unwanted(how));
      return;
    }
    if (problem !== null) {
      this.fail(new SandboxError('CAPTURE_FAILED', `${path} is not whole: ${problem}`));
      return;
    }
    const { size } = await stat(path);
    const counters = countersIn(this.words.text);
    if (size !== whole || lacks(counters, packets + omitted)) {
      const said = `${size} of ${whole} bytes, ${packets + omitted} of ${counters?.captured ?? 'unknown'} packets`;
      this.fail(new SandboxError('CAPTURE_FAILED', `${path} is not whole: ${said}`));
    }
  }

  private async pump(): Promise<void> {
    try {
      for await (const chunk of this.child.stdout) {
        await this.sink.push(chunk as Buffer);
        if (this.sink.whole > 0) this.headed();
      }
    } catch (cause) {
      this.fail(new SandboxError('CAPTURE_FAILED', `tcpdump's output cannot be read: ${reason(cause)}`));
    }
  }

  private async unwanted(how: number | string): Promise<SandboxError> {
    const { program, interface: name } = this.start;
    const ending = typeof how === 'number' ? `exit ${how}` : how;
    const help = await advice(this.words.text, { program, root: process.getuid?.() === 0 });
    return new SandboxError(
      'CAPTURE_FAILED',
      `tcpdump on ${name} ended (${ending})${this.words.last()}${help}`,
    );
  }

  private fail(error: unknown): void {
    this.failing.abort(error);
  }
}

function lacks(counters: TcpdumpCounters | null, seen: number): boolean {
  return counters !== null && counters.captured !== seen;
}
