import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ARTIFACTS, type TaskFile } from '#domain/artifacts.js';
import { chunksOf, exists, linesOf } from './reading.js';
import { readTrace, type Trace } from './trace/trace.js';
import { readCapture } from './traffic/capture.js';
import { readFakenet } from './traffic/fakenet.js';
import { networkFacts, type NetworkFacts } from './traffic/network-section.js';

/** Bytes of strace read; more than an hour of a busy sample. */
const MAX_TRACE_BYTES = 4 * 1024 ** 3;
/** Bytes of capture read. */
const MAX_CAPTURE_BYTES = 4 * 1024 ** 3;
const MAX_FAKENET_BYTES = 512 * 1024 ** 2;

/** One analysis as it lies on disk. What several sections need is read once. */
export class AnalysisFolder {
  #trace: Promise<Trace | null> | undefined;
  #network: Promise<NetworkFacts | null> | undefined;

  private constructor(
    readonly dir: string,
    /** Where samples are kept by their SHA-256; null when only the folder's link to it is known. */
    readonly binaries: string | null,
    readonly task: TaskFile,
    readonly signal: AbortSignal,
  ) {}

  /** @throws when task.json is missing or no JSON: without it there is no report */
  static async open(
    { dir, binaries = null }: { readonly dir: string; readonly binaries?: string | null },
    signal: AbortSignal,
  ): Promise<AnalysisFolder> {
    const task = JSON.parse(
      await readFile(join(dir, ARTIFACTS.task), { encoding: 'utf8', signal }),
    ) as TaskFile;
    return new AnalysisFolder(dir, binaries, task, signal);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Seconds the guest's clock was set ahead of the host's. */
  get clockAhead(): number {
    return this.task.guest?.clockAhead ?? 0;
  }

  async hasAny(names: readonly string[]): Promise<boolean> {
    const found = await Promise.all(names.map((name) => exists(this.path(name))));
    return names.length === 0 || found.includes(true);
  }

  /** The sample's file; null for a URL, or when it is gone. */
  async sample(): Promise<string | null> {
    const hash = this.task.task.sample?.sha256;
    const stored = this.binaries !== null && hash !== undefined ? join(this.binaries, hash) : null;
    for (const path of [this.path(ARTIFACTS.sample), stored]) {
      if (path !== null && (await exists(path))) return path;
    }
    return null;
  }

  /** What the traced calls tell; null without a trace. */
  trace(): Promise<Trace | null> {
    return (this.#trace ??= this.#readTrace());
  }

  /** What capture, fake internet and trace together tell of the network; null when nothing was captured. */
  network(): Promise<NetworkFacts | null> {
    return (this.#network ??= this.#readNetwork());
  }

  async #readTrace(): Promise<Trace | null> {
    const [strace, kernel] = [this.path(ARTIFACTS.strace), this.path(ARTIFACTS.kernelTrace)];
    const [hasStrace, hasKernel] = [await exists(strace), await exists(kernel)];
    if (!hasStrace && !hasKernel) return null;
    return readTrace(
      {
        strace: hasStrace ? chunksOf(strace, this.signal, MAX_TRACE_BYTES) : null,
        kernel: hasKernel ? linesOf(chunksOf(kernel, this.signal, MAX_TRACE_BYTES)) : null,
      },
      this.signal,
    );
  }

  async #readNetwork(): Promise<NetworkFacts | null> {
    const pcap = this.path(ARTIFACTS.pcap);
    const recorded = this.path(ARTIFACTS.fakenet);
    const [hasPcap, hasRecords] = [await exists(pcap), await exists(recorded)];
    if (!hasPcap && !hasRecords) return null;
    const capture = hasPcap
      ? await readCapture(chunksOf(pcap, this.signal, MAX_CAPTURE_BYTES), this.signal)
      : null;
    const { records, skipped, omitted } = await readFakenet(
      linesOf(chunksOf(recorded, this.signal, MAX_FAKENET_BYTES)),
    );
    // A broken trace costs the names of processes, not the network section; behaviour says that it broke.
    const trace = await this.trace().catch(() => null);
    this.signal.throwIfAborted();
    const facts = networkFacts(capture, records, trace, this.clockAhead);
    const notes = [
      ...(skipped === 0 ? [] : [`${skipped} lines of the fake internet’s record could not be read.`]),
      ...(omitted === 0
        ? []
        : [`${omitted} more requests were answered by the fake internet and not recorded.`]),
    ];
    return { ...facts, notes: [...facts.notes, ...notes] };
  }
}
