import type { StraceCall, StraceEvent } from '#formats/strace.js';
import { quoted, quotedList } from '#formats/strace-values.js';
import { constants } from 'node:os';
import { posix } from 'node:path';
import { commandLine } from './command-line.js';
import { absolutePath, Descriptors, type TracedProcess } from './process.js';
import { Summary, type SummaryBudget } from './summary.js';

/** Where the analyzer starts samples; Cuckoo's did the same. */
const START_DIRECTORY = '/tmp';
/** Processes in one report; a fork bomb's further children are counted as part of their parents. */
const MAX_PROCESSES = 10_000;
/** Threads alive at once: twice Linux' default pid_max. */
const MAX_THREADS = 65_536;
/** Numbers remembered after their end: more than Linux has pids by default, several times around. */
const MAX_SEEN = 262_144;
/** Events kept back while it is open whose child a thread is. */
const MAX_HELD = 10_000;

const FORKS = new Set(['clone', 'clone3', 'fork', 'vfork']);

/** A fork that has begun and not returned: its child may speak first. */
interface Fork {
  readonly parent: TracedProcess;
  readonly time: number;
  readonly flags: string;
  child: number | null;
}

/**
 * Follows who is whose child. strace names threads; the report names processes. A child may be seen before the call
 * that made it returns: when only one fork is open it is that one's child, otherwise its events wait until a fork
 * returns its number.
 */
export class ProcessTable {
  readonly processes: TracedProcess[] = [];
  /** Children that got no entry of their own. */
  folded = 0;
  /** Pids that appeared without anybody having made them. */
  readonly orphans: number[] = [];

  /** Every pid and thread number met → the process it belonged to last. */
  readonly seen = new Map<number, TracedProcess>();

  readonly #threads = new Map<number, TracedProcess>();
  readonly #forks = new Map<number, Fork>();
  /** The forks whose child is not known yet. */
  readonly #open = new Set<Fork>();
  readonly #held = new Map<number, StraceEvent[]>();
  #heldCount = 0;
  readonly #budget: SummaryBudget;
  readonly #onCall: (process: TracedProcess, call: StraceCall) => void;

  constructor(budget: SummaryBudget, onCall: (process: TracedProcess, call: StraceCall) => void) {
    this.#budget = budget;
    this.#onCall = onCall;
  }

  handle(event: StraceEvent): void {
    const process = this.#threads.get(event.pid) ?? this.#newcomer(event);
    if (process === undefined) return;
    switch (event.kind) {
      case 'call':
        this.#called(process, event);
        break;
      case 'started':
        if (FORKS.has(event.name)) this.#forking(process, event.pid, event.time, event.head);
        break;
      case 'exited':
        this.#ended(process, event.pid, event.time, event.code);
        break;
      case 'killed':
        this.#ended(process, event.pid, event.time, -signalNumber(event.signal));
        break;
      case 'superseded':
        this.#threads.delete(event.by);
        break;
      case 'signal':
        break;
    }
  }

  /** The log has ended: settles whose child is whose. */
  settle(): void {
    for (const pid of [...this.#held.keys()]) this.#release(pid);
  }

  /** A process that strace was not told of. */
  addEscaped(pid: number, time: number, parent: TracedProcess | null): TracedProcess {
    const process = this.#create(pid, time, parent);
    if (process.pid === pid) process.track = false;
    return process;
  }

  /** Numbers the processes: nothing may be added from then on. */
  finish(): void {
    // Stable: equal times keep the order of the log.
    this.processes.sort((a, b) => a.firstSeen - b.firstSeen);
    for (const [index, process] of this.processes.entries()) process.procid = index + 1;
  }

  #newcomer(event: StraceEvent): TracedProcess | undefined {
    const held = this.#held.get(event.pid);
    if (held === undefined && this.#open.size <= 1) return this.#adopt(event.pid, event.time);
    if (held === undefined) this.#held.set(event.pid, [event]);
    else held.push(event);
    if (++this.#heldCount >= MAX_HELD) for (const pid of [...this.#held.keys()]) this.#release(pid);
    return undefined;
  }

  /** The child of the oldest open fork, or else somebody from outside. */
  #adopt(pid: number, time: number): TracedProcess {
    for (const fork of this.#open) {
      this.#open.delete(fork);
      fork.child = pid;
      return this.#spawn(pid, fork);
    }
    if (this.processes.length > 0 && this.orphans.length < MAX_PROCESSES) this.orphans.push(pid);
    return this.#create(pid, time, null);
  }

  #release(pid: number): void {
    const events = this.#held.get(pid) ?? [];
    this.#held.delete(pid);
    this.#heldCount -= events.length;
    const [first] = events;
    if (first !== undefined && !this.#threads.has(pid)) this.#adopt(pid, first.time);
    for (const event of events) this.handle(event);
  }

  #called(process: TracedProcess, call: StraceCall): void {
    this.#onCall(process, call);
    if (FORKS.has(call.name)) this.#forked(process, call);
    else if ((call.name === 'execve' || call.name === 'execveat') && call.result === '0')
      executed(process, call);
  }

  #forking(parent: TracedProcess, tid: number, time: number, flags: string): void {
    const fork: Fork = { parent, time, flags, child: null };
    this.#forks.set(tid, fork);
    this.#open.add(fork);
  }

  #forked(parent: TracedProcess, call: StraceCall): void {
    const begun = this.#forks.get(call.pid);
    this.#forks.delete(call.pid);
    if (begun !== undefined) this.#open.delete(begun);
    const child = Number.parseInt(call.result, 10);
    if (!(child > 0) || begun?.child === child) return;
    // In its own pid namespace the child has another number there than the one strace knows it by.
    const adoptedOther = begun !== undefined && begun.child !== null;
    if (adoptedOther && !this.#held.has(child)) return;
    this.#spawn(child, { parent, time: call.time, flags: call.args.join(), child });
    if (this.#held.has(child)) this.#release(child);
  }

  #spawn(tid: number, { parent, time, flags }: Fork): TracedProcess {
    if (flags.includes('CLONE_THREAD')) {
      this.#belongs(tid, parent);
      return parent;
    }
    const child = this.#create(tid, time, flags.includes('CLONE_PARENT|') ? parent.parent : parent);
    if (child !== parent && flags.includes('CLONE_FILES')) child.descriptors = parent.descriptors;
    return child;
  }

  #create(pid: number, time: number, parent: TracedProcess | null): TracedProcess {
    const fallback = parent ?? this.processes[0];
    if (fallback !== undefined && this.processes.length >= MAX_PROCESSES) {
      this.folded++;
      this.#belongs(pid, fallback);
      return fallback;
    }
    const process: TracedProcess = {
      procid: 0,
      pid,
      parent,
      ppid: parent?.pid ?? 0,
      name: parent?.name ?? '',
      path: parent?.path ?? null,
      commandLine: parent?.commandLine ?? '',
      firstSeen: time,
      ended: null,
      exitCode: null,
      cwd: parent === null ? START_DIRECTORY : parent.cwd,
      descriptors: parent?.descriptors.fork() ?? new Descriptors(),
      summary: new Summary(this.#budget),
      calls: [],
      track: true,
      counts: new Map(),
    };
    this.processes.push(process);
    this.#belongs(pid, process);
    return process;
  }

  #belongs(tid: number, process: TracedProcess): void {
    if (this.#threads.size < MAX_THREADS) this.#threads.set(tid, process);
    if (this.seen.size < MAX_SEEN || this.seen.has(tid)) this.seen.set(tid, process);
  }

  #ended(process: TracedProcess, tid: number, time: number, code: number): void {
    this.#threads.delete(tid);
    const fork = this.#forks.get(tid);
    if (fork !== undefined) {
      this.#forks.delete(tid);
      this.#open.delete(fork);
    }
    if (tid !== process.pid) return;
    process.ended = time;
    process.exitCode = code;
    process.descriptors = new Descriptors();
  }
}

/** A successful execve: the same process, another program. */
function executed(process: TracedProcess, call: StraceCall): void {
  const at = call.name === 'execveat' ? 1 : 0;
  const path = quoted(call.args[at]) ?? '';
  const argv = quotedList(call.args[at + 1]);
  process.path = absolutePath(process.cwd, path);
  process.name = posix.basename(path);
  process.commandLine = argv === null || argv.items.length === 0 ? path : commandLine(argv);
}

/** 0 for one this system has not. */
function signalNumber(name: string): number {
  const known = (constants.signals as Readonly<Record<string, number>>)[name];
  if (known !== undefined) return known;
  const realTime = /^SIGRT_(\d{1,2})$/.exec(name);
  return realTime === null ? 0 : 32 + Number(realTime[1]);
}
