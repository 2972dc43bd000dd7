import type { Call } from '#domain/report.js';
import type { KernelEvent } from '#formats/kernel-trace.js';
import { posix } from 'node:path';
import { commandLine } from './command-line.js';
import { absolutePath, type TracedProcess } from './process.js';
import type { ProcessTable } from './process-table.js';
import { categoryOf } from './syscalls.js';

/** Calls listed for what the kernel saw and strace did not. */
const MAX_CALLS = 20_000;
/** Arguments the probe takes of an argument vector. */
const ARGUMENTS = ['a0', 'a1', 'a2', 'a3', 'a4', 'a5'];

/** Our probes' names and the calls they stand for. */
const CALLS: ReadonlyMap<string, string> = new Map([
  ['open', 'openat2'],
  ['unlink', 'unlinkat'],
  ['rmdir', 'rmdir'],
  ['rename', 'renameat2'],
  ['mkdir', 'mkdirat'],
  ['symlink', 'symlinkat'],
  ['connect', 'connect'],
  ['bind', 'bind'],
  ['exec', 'execve'],
  ['execat', 'execveat'],
  ['memfd', 'memfd_create'],
  ['ptrace', 'ptrace'],
  ['iouring', 'io_uring_setup'],
  ['module', 'finit_module'],
  ['module2', 'init_module'],
]);

/** The guest's cron is in the kernel trace from the start: what a sample writes into a crontab, cron runs. */
const CRON = 'cron';

const O_ACCESS = 0o3;
const O_CREAT = 0o100;
const O_DIRECTORY = 0o200000;

/**
 * Adds what only the kernel trace saw: processes whose making strace was not told of, and everything they did. The
 * probes stand at the entry of a call, so these are attempts. Feed it after the strace log was read to its end.
 */
export class KernelEffects {
  escaped = 0;
  lost = 0;
  dropped = 0;

  readonly #table: ProcessTable;
  /** Processes that strace did not see, by the threads alive. */
  readonly #processes = new Map<number, TracedProcess>();
  readonly #executing = new Map<number, string[]>();
  /** The program that the traced run began with; null when there is no strace log to join. */
  readonly #first: { readonly process: TracedProcess; readonly name: string; readonly time: number } | null;
  /** Added to the trace's clock it gives Unix seconds. */
  #skew: number | null = null;
  #begun = false;

  constructor(table: ProcessTable) {
    this.#table = table;
    const [root] = table.processes;
    const begin = root?.calls.find(({ api }) => api === 'execve');
    this.#first =
      root === undefined
        ? null
        : {
            process: root,
            name: posix.basename(begin?.arguments['p0'] ?? ''),
            time: begin?.time ?? root.firstSeen,
          };
  }

  /** What the analyzer says must be added to times; without it the first program tells. */
  setClock(skew: number): void {
    this.#skew ??= skew;
  }

  apply(event: KernelEvent): void {
    if (!this.#begun) {
      if (event.event === 'exec') this.#executing.set(event.pid, argumentVector(event.fields));
      if (!this.#begins(event)) return;
    }
    switch (event.event) {
      case 'sched_process_fork':
        this.#forked(event);
        return;
      case 'sched_process_exec':
        this.#executed(event);
        return;
      case 'sched_process_exit': {
        const process = this.#processes.get(event.pid);
        if (process !== undefined) process.ended = this.#time(event);
        this.#processes.delete(event.pid);
        return;
      }
    }
    const process = this.#processes.get(event.pid);
    if (process !== undefined) this.#did(process, event);
  }

  /** Before its first program runs, the pid belongs to the analyzer and its tracer. */
  #begins(event: KernelEvent): boolean {
    if (event.event !== 'sched_process_exec') return false;
    if (this.#first === null) {
      // The tracer is not the sample, and nobody else tells them apart.
      if (posix.basename(event.fields.get('filename') ?? '') === 'strace') return false;
      this.#begun = true;
      this.#processes.set(event.pid, this.#table.addEscaped(event.pid, this.#time(event), null));
      return true;
    }
    const name = posix.basename(event.fields.get('filename') ?? '');
    if (event.pid !== this.#first.process.pid || name !== this.#first.name) return false;
    this.#skew ??= this.#first.time - event.time;
    this.#begun = true;
    this.#executing.clear();
    return false;
  }

  #forked(event: KernelEvent): void {
    const child = Number(event.fields.get('child_pid'));
    if (!(child > 0) || this.#table.seen.has(child) || event.comm === 'strace') return;
    const parent = this.#processes.get(event.pid) ?? this.#table.seen.get(event.pid);
    if (parent === undefined && event.comm !== CRON) return;
    if (this.#first !== null) this.escaped++;
    const process = this.#table.addEscaped(child, this.#time(event), parent ?? null);
    if (parent === undefined) Object.assign(process, { ppid: event.pid, name: CRON });
    this.#processes.set(child, process);
  }

  #executed(event: KernelEvent): void {
    const process = this.#processes.get(event.pid);
    const file = event.fields.get('filename');
    if (process === undefined || file == null) return;
    const argv = this.#executing.get(event.pid) ?? [];
    this.#executing.delete(event.pid);
    process.path = absolutePath(process.cwd, file);
    process.name = posix.basename(file);
    process.commandLine =
      argv.length === 0 ? file : commandLine({ items: argv, cut: argv.length === ARGUMENTS.length });
    process.summary.add('file_executed', process.path);
    process.summary.add('command_line', process.commandLine);
  }

  #did(process: TracedProcess, event: KernelEvent): void {
    const { fields } = event;
    const { summary } = process;
    const path = (key: string): string => absolutePath(process.cwd, fields.get(key) ?? '');
    switch (event.event) {
      case 'exec':
      case 'execat':
        if (this.#executing.size < MAX_CALLS) this.#executing.set(event.pid, argumentVector(fields));
        break;
      case 'open':
        opened(process, path('name'), Number(fields.get('flags') ?? 0));
        break;
      case 'unlink':
        summary.add('file_deleted', path('name'));
        break;
      case 'rmdir':
        summary.add('directory_removed', path('name'));
        break;
      case 'mkdir':
        summary.add('directory_created', path('name'));
        break;
      case 'rename':
        summary.addPair('file_moved', path('old'), path('new'));
        break;
      case 'connect': {
        const place = remote(fields);
        if (place !== null) summary.add('connects_ip', place);
        break;
      }
    }
    this.#keep(process, event);
  }

  #keep(process: TracedProcess, event: KernelEvent): void {
    const api = CALLS.get(event.event);
    if (api === undefined) return;
    process.counts.set(api, (process.counts.get(api) ?? 0) + 1);
    if (process.calls.length >= MAX_CALLS) {
      this.dropped++;
      return;
    }
    const values = [...event.fields].map(([key, value]) => `${key}=${value ?? '(unreadable)'}`);
    const call: Call = {
      time: this.#time(event),
      tid: event.pid,
      api,
      category: categoryOf(api),
      arguments: Object.fromEntries(values.map((value, index) => [`p${index}`, value])),
      return_value: '?',
      status: '',
    };
    process.calls.push(call);
  }

  #time(event: KernelEvent): number {
    return Math.round((event.time + (this.#skew ?? 0)) * 1e6) / 1e6;
  }
}

function argumentVector(fields: ReadonlyMap<string, string | null>): string[] {
  const items: string[] = [];
  for (const key of ARGUMENTS) {
    const value = fields.get(key);
    if (value == null) break;
    items.push(value);
  }
  return items;
}

function opened({ summary }: TracedProcess, path: string, flags: number): void {
  if (path === '' || (flags & O_DIRECTORY) !== 0) return;
  summary.add('file_opened', path);
  summary.add((flags & O_ACCESS) === 0 ? 'file_read' : 'file_written', path);
  if ((flags & O_CREAT) !== 0 && (flags & O_ACCESS) !== 0) summary.add('file_created', path);
}

/** `ip:port` of an IPv4 address in the probe's little-endian reading of network byte order. */
function remote(fields: ReadonlyMap<string, string | null>): string | null {
  const [port, ip] = [Number(fields.get('port')), Number(fields.get('ip4'))];
  if (fields.get('family') !== '2' || !(port > 0) || !(ip >= 0)) return null;
  const bytes = [ip & 255, (ip >> 8) & 255, (ip >> 16) & 255, (ip >>> 24) & 255];
  return `${bytes.join('.')}:${((port & 255) << 8) | (port >> 8)}`;
}
