import type { Call } from '#domain/report.js';
import { readKernelLine } from '#formats/kernel-trace.js';
import { StraceReader, type StraceCall } from '#formats/strace.js';
import { descriptor, quoted, quotedList } from '#formats/strace-values.js';
import { commandLine } from './command-line.js';
import { FileEffects } from './file-effects.js';
import { KernelEffects } from './kernel-effects.js';
import { NetworkEffects, type TracedQuery } from './network-effects.js';
import { ProcessTable } from './process-table.js';
import { absolutePath, type Connection, type TracedProcess } from './process.js';
import { SummaryBudget } from './summary.js';
import { categoryOf, PATHS } from './syscalls.js';

/** Calls listed in the report. Summary, counts and tree cover all of them. */
export const MAX_CALLS = 100_000;
/** So that a noisy process cannot push the others' calls out of the report. */
const MAX_CALLS_PER_PROCESS = 20_000;
/** Characters of all listed arguments together: strace's lines may be long. */
const MAX_CALL_TEXT = 64 * 1024 * 1024;

/** Everything a strace log told. */
export interface Trace {
  /** In order of procid. */
  readonly processes: readonly TracedProcess[];
  readonly connections: readonly Connection[];
  readonly queries: readonly TracedQuery[];
  /** Was the file at this absolute path deleted, and not made again, when the log ended? */
  isDeleted(path: string): boolean;
  /** What a reader must know: limits met, lines not understood. */
  readonly notes: readonly string[];
}

/** What a run left behind; either may be missing. */
export interface TraceLogs {
  readonly strace: AsyncIterable<Uint8Array> | null;
  /** Lines of trace_pipe. */
  readonly kernel: AsyncIterable<string> | null;
}

/** Reads both logs, streaming; nothing in them can throw. Checks `signal` between chunks. */
export async function readTrace({ strace, kernel }: TraceLogs, signal: AbortSignal): Promise<Trace> {
  const builder = new TraceBuilder();
  for await (const chunk of strace ?? []) {
    signal.throwIfAborted();
    builder.push(chunk);
  }
  for await (const line of kernel ?? []) builder.pushKernel(line);
  signal.throwIfAborted();
  return builder.finish();
}

export class TraceBuilder {
  readonly #budget = new SummaryBudget();
  readonly #files = new FileEffects();
  readonly #network = new NetworkEffects();
  readonly #table = new ProcessTable(this.#budget, (process, call) => this.#called(process, call));
  readonly #reader = new StraceReader((event) => this.#table.handle(event));
  #kernel: KernelEffects | null = null;
  #kept = 0;
  #text = 0;
  #dropped = 0;

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** A line of the kernel's trace; only after the whole strace log. */
  pushKernel(line: string): void {
    if (this.#kernel === null) {
      this.#settle();
      this.#kernel = new KernelEffects(this.#table);
    }
    const event = readKernelLine(line);
    if (event === null) return;
    if ('lost' in event) this.#kernel.lost += event.lost;
    else if ('clock' in event) this.#kernel.setClock(event.clock);
    else this.#kernel.apply(event);
  }

  finish(): Trace {
    if (this.#kernel === null) this.#settle();
    this.#table.finish();
    // A call is logged when it ends; the report lists them by their beginning.
    for (const { calls } of this.#table.processes) calls.sort((a, b) => a.time - b.time);
    return {
      processes: this.#table.processes,
      connections: this.#network.connections,
      queries: this.#network.queries,
      isDeleted: (path) => this.#files.isDeleted(path),
      notes: this.#notes(),
    };
  }

  #settle(): void {
    this.#reader.finish();
    this.#table.settle();
  }

  #called(process: TracedProcess, call: StraceCall): void {
    const { name } = call;
    process.counts.set(name, (process.counts.get(name) ?? 0) + 1);
    const paths = resolvePaths(process, call);
    this.#files.apply(process, call, paths);
    this.#network.apply(process, call);
    this.#moved(process, call, paths);
    this.#keep(process, call, paths);
  }

  /** Effects on the process itself: working directory, descriptors, programs. */
  #moved(process: TracedProcess, call: StraceCall, [path]: readonly string[]): void {
    switch (call.name) {
      case 'open':
      case 'openat':
      case 'openat2':
      case 'creat': {
        const fd = descriptor(call.result);
        if (fd !== null && path !== undefined) {
          process.descriptors.set(fd, { path, socket: null, connection: null });
        }
        break;
      }
      case 'dup2':
      case 'dup3': {
        const [from, to] = [descriptor(call.args[0]), descriptor(call.result)];
        const open = from === null ? undefined : process.descriptors.get(from);
        if (to !== null && open !== undefined) process.descriptors.set(to, open);
        break;
      }
      case 'chdir':
      case 'fchdir':
        if (call.result === '0' && path?.startsWith('/') === true) process.cwd = path;
        break;
      case 'execve':
      case 'execveat':
        if (call.result === '0' && path !== undefined) ran(process, call, path);
        break;
    }
  }

  #keep(process: TracedProcess, call: StraceCall, paths: readonly string[]): void {
    if (
      this.#kept >= MAX_CALLS ||
      this.#text >= MAX_CALL_TEXT ||
      process.calls.length >= MAX_CALLS_PER_PROCESS
    ) {
      this.#dropped++;
      return;
    }
    const kept = toReport(call, paths);
    for (const arg of call.args) this.#text += arg.length;
    this.#kept++;
    process.calls.push(kept);
  }

  #notes(): string[] {
    const count = (n: number, text: string): string[] => (n === 0 ? [] : [`${n} ${text}`]);
    const { orphans } = this.#table;
    return [
      ...count(this.#dropped, 'further calls are counted in apistats and summary but not listed.'),
      ...count(this.#table.folded, 'further processes are counted as part of their parents.'),
      ...count(this.#budget.refused, 'further entries are missing from the behaviour summary.'),
      ...count(
        this.#network.refused,
        'further connections and name queries were not joined with the traffic.',
      ),
      ...count(this.#reader.unreadable, `of ${this.#reader.lines} trace lines could not be read.`),
      ...count(this.#kernel?.escaped ?? 0, 'processes escaped tracing: only the kernel trace saw them.'),
      ...count(this.#kernel?.lost ?? 0, 'kernel events were lost.'),
      ...count(this.#kernel?.dropped ?? 0, 'further kernel events are counted in apistats but not listed.'),
      ...count(orphans.length, 'traced processes have no known parent.'),
    ];
  }
}

/** The call's paths in the order of PATHS; relative to an unknown descriptor they stay relative. */
function resolvePaths(process: TracedProcess, { name, args }: StraceCall): string[] {
  if (name === 'fchdir' || name === 'fchmod') {
    const fd = descriptor(args[0]);
    const path = fd === null ? null : process.descriptors.get(fd)?.path;
    return path == null ? [] : [path];
  }
  const paths: string[] = [];
  for (const [directory, at] of PATHS.get(name) ?? []) {
    const text = quoted(args[at]);
    if (text === null) return paths;
    const fd = directory === null || text.startsWith('/') ? null : descriptor(args[directory]);
    const base = fd === null ? process.cwd : (process.descriptors.get(fd)?.path ?? null);
    paths.push(absolutePath(base, text));
  }
  return paths;
}

function ran(process: TracedProcess, call: StraceCall, path: string): void {
  process.summary.add('file_executed', path);
  const argv = quotedList(call.args[call.name === 'execveat' ? 2 : 1]);
  process.summary.add('command_line', argv === null || argv.items.length === 0 ? path : commandLine(argv));
}

function toReport(call: StraceCall, paths: readonly string[]): Call {
  const places = PATHS.get(call.name) ?? [];
  const values: Record<string, string> = {};
  let at = 0;
  for (const arg of call.args) {
    const place = places.findIndex(([, path]) => path === at);
    values[`p${at++}`] = paths[place] ?? quoted(arg) ?? arg;
  }
  return {
    time: call.time,
    tid: call.pid,
    api: call.name,
    category: categoryOf(call.name),
    arguments: values,
    return_value: call.result,
    status: call.errno,
  };
}
