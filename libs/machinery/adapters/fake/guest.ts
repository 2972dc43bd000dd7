import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Machine } from '#domain/machine.js';
import { until } from '../../until.js';
import type { AgentPort, Guest, GuestStatus } from './agent-port.js';
import type { AnalysisRequest } from './analysis-request.js';
import type { GuestPlan, GuestWire } from './plan.js';
import { scene, type Scene } from './scene.js';
import { streamPair } from './stream-pair.js';

/** Longer than anybody waits by chance, shorter than anybody gives up. */
const SLOW_BOOT_MS = 3_000;
/** Of TEST-NET-3, where no guest lives. */
const SPOOFED_IP = '203.0.113.66';
/** More connections at a time than the result server takes before they say what they are. */
const FLOOD_CONNECTIONS = 64;
const FLOOD_CHUNK = Buffer.from(`${'A'.repeat(1023)}\n`.repeat(64));
/** Our analyzer's, seconds. */
const DEFAULT_TIMEOUT = 120;

export interface ScriptedGuestOptions {
  readonly machine: Machine;
  readonly plan: GuestPlan;
  readonly wire: GuestWire;
  readonly port: AgentPort;
  /** The guest has panicked. */
  readonly onCrash: () => void;
}

/**
 * A guest from power-on to power-off: its agent answers, and an analysis uploads what a real one would. Nothing of the
 * sample runs. Bytes are all it exchanges with the host, by the same protocols as any guest.
 */
export class ScriptedGuest implements Guest {
  readonly #options: ScriptedGuestOptions;
  readonly #streams = new Set<Duplex>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #callers = new Set<() => void>();
  readonly #waiting = new Set<() => void>();
  #status: GuestStatus = { status: null, description: null };
  #listening = false;
  #off = false;
  #end: (() => void) | null = null;

  constructor(options: ScriptedGuestOptions) {
    this.#options = options;
    const { fault, bootMs } = options.plan;
    if (fault === 'dead_agent') return;
    const boot = bootMs + (fault === 'slow_boot' ? SLOW_BOOT_MS : 0);
    if (boot === 0) this.#listen();
    else this.#after(boot, () => this.#listen());
  }

  get plan(): GuestPlan {
    return this.#options.plan;
  }

  get status(): GuestStatus {
    return this.#status;
  }

  /** A connection to the agent; until it listens nothing answers, as when packets are dropped. */
  dial(signal: AbortSignal): Promise<Duplex> {
    return until(signal, (resolve) => {
      const connect = () => {
        const { client, server } = this.#options.port.connect(this);
        this.#keep(server);
        resolve(client);
      };
      if (this.#listening) connect();
      else this.#callers.add(connect);
      return () => this.#callers.delete(connect);
    });
  }

  /** Everything of it ends at once. */
  powerOff(): void {
    this.#off = true;
    this.#listening = false;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const stream of this.#streams) stream.destroy();
    for (const wake of [...this.#waiting]) wake();
    this.#callers.clear();
  }

  changed(not: string | null, ms: number): Promise<void> {
    if (this.#status.status !== not || this.#off) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#after(ms, () => wake());
      const wake = () => {
        this.#waiting.delete(wake);
        this.#timers.delete(timer);
        clearTimeout(timer);
        resolve();
      };
      this.#waiting.add(wake);
    });
  }

  stop(): void {
    this.#end?.();
  }

  analyze(request: AnalysisRequest): boolean {
    if (this.#status.status !== null) return false;
    this.#tell({ status: 'running', description: null });
    // What goes wrong here is a defect of ours, told as an analyzer tells its own.
    this.#run(request).catch((error: unknown) =>
      this.#tell({ status: 'exception', description: String(error) }),
    );
    return true;
  }

  async #run(request: AnalysisRequest): Promise<void> {
    const { machine, plan } = this.#options;
    const started = Date.now();
    const clock = (now: number) => (request.clock ?? started / 1000) + (now - started) / 1000;
    const say = (text: string) => logLine(clock(Date.now()), text);
    const told = scene(request, machine.platform, clock(started));

    const log = this.#connect(`LOG\n${this.#opening(request).map(say).join('')}`);
    const trace = told.traceBefore === '' ? null : this.#upload('logs/strace.log', told.traceBefore);
    if (plan.fault === 'crash') this.#after(this.#runMs(request) / 2, this.#options.onCrash);
    const sample = this.#sampleEnds(this.#runMs(request));
    const flood = plan.fault === 'flood' ? this.#flood(log) : [];
    await sample;

    for (const stream of flood) stream.destroy();
    const ended = [this.#drop(told.dropped)];
    if (trace !== null) ended.push(trace.end(told.traceAfter(clock(Date.now()))));
    await Promise.all(ended.map(closed));
    log.end(say('INFO: the sample has ended (in the script)'));
    await closed(log);
    this.#tell({ status: 'complete', description: null });
  }

  #opening({ config, sample }: AnalysisRequest): readonly string[] {
    const what =
      sample === null
        ? `target ${config.get('target') ?? ''}`
        : `${sample.name}, ${sample.size} bytes, sha256 ${sample.sha256}`;
    const { name, platform } = this.#options.machine;
    return [
      `WARNING: ${name} is a fake machine: its guest is scripted, and no sample runs in it`,
      `INFO: task ${config.get('id') ?? '?'}: ${what}`,
      ...(platform === 'linux' ? [] : [`INFO: a fake ${platform} guest traces nothing`]),
    ];
  }

  #runMs({ config }: AnalysisRequest): number {
    const limit = Number(config.get('timeout') ?? DEFAULT_TIMEOUT) * 1000;
    const { fault, runMs } = this.plan;
    // A flood goes on until the host has had enough.
    const whole = config.get('enforce_timeout') === 'True' || fault === 'flood';
    return whole ? limit : Math.min(runMs, limit);
  }

  /** After its time, or when the host ends it; a hung one never. */
  #sampleEnds(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.plan.fault === 'hang') return;
      this.#end = resolve;
      this.#after(ms, resolve);
    });
  }

  /** As much as the host takes: the log without an end, and connections that never say what they are. */
  #flood(log: Duplex): readonly Duplex[] {
    const more = () => {
      while (!log.destroyed && !log.writableEnded && log.write(FLOOD_CHUNK));
    };
    log.on('drain', more).once('close', () => this.stop());
    more();
    return Array.from({ length: FLOOD_CONNECTIONS }, () => this.#connect(''));
  }

  #drop({ path, content, pid }: Scene['dropped']): Duplex {
    const sha256 = createHash('sha256').update(content).digest('hex');
    const name = path.slice(path.lastIndexOf('/') + 1);
    const header = `files/${sha256.slice(0, 16)}_${name}\n${path}\n${pid}`;
    return this.#connect(`FILE 2\n${header}\n`).end(content);
  }

  #upload(path: string, content: string): Duplex {
    return this.#connect(`FILE 2\n${path}\n\n\n${content}`);
  }

  /** Opens a connection to the result server and says `start` there. */
  #connect(start: string): Duplex {
    const { machine, plan, wire } = this.#options;
    const [ours, theirs] = streamPair();
    this.#keep(ours);
    wire(theirs, plan.fault === 'wrong_ip' ? SPOOFED_IP : machine.ip);
    if (start !== '') ours.write(start);
    return ours;
  }

  #keep(stream: Duplex): void {
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    if (this.#off) stream.destroy();
  }

  #listen(): void {
    this.#listening = true;
    for (const connect of this.#callers) connect();
    this.#callers.clear();
  }

  #tell(status: GuestStatus): void {
    this.#status = status;
    for (const wake of [...this.#waiting]) wake();
  }

  #after(ms: number, then: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }
}

/** The server closes a connection when it has stored what came over it, or wants no more. */
function closed(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve();
    else stream.once('close', resolve); // not events.once: a connection that broke has closed too
  });
}

/** Cuckoo's line format; `at` is Unix seconds. Control characters would make more lines, or none. */
function logLine(at: number, text: string): string {
  const stamp = new Date(at * 1000).toISOString().replace('T', ' ').replace('.', ',').slice(0, 23);
  const clean = text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, '?');
  return `${stamp} [analyzer] ${clean}\n`;
}
