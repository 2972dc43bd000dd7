import { ARTIFACTS } from '#domain/artifacts.js';
import type { Behavior, Network, Process, ProcessNode } from '#domain/report.js';
import type { ProcessingModule } from '../processing.js';
import type { TracedProcess } from '../trace/process.js';
import { Summary, SummaryBudget } from '../trace/summary.js';

/** Nodes below each other in processtree; a longer chain of forks goes on at the same level. JSON writers recurse. */
const MAX_TREE_DEPTH = 200;

/** What the sample did, told from its traced calls and, where they can be joined, its traffic. */
export const behavior: ProcessingModule<'behavior'> = {
  section: 'behavior',
  needs: [ARTIFACTS.strace, ARTIFACTS.kernelTrace],
  async run(folder, note, signal) {
    const trace = await folder.trace();
    if (trace === null || trace.processes.length === 0) return undefined;
    trace.notes.forEach(note);
    clockNotes(folder.clockAhead).forEach(note);
    // When the network section fails it says so itself; here its names are a bonus.
    const network = await folder.network().catch(() => null);
    signal.throwIfAborted();

    const all = new Summary(new SummaryBudget());
    if (network !== null) addTraffic(network.section, network.names, trace.processes, all);
    for (const { summary } of trace.processes) all.absorb(summary);
    return {
      generic: trace.processes.map((process) => ({
        ...identity(process),
        summary: process.summary.toReport(),
      })),
      processes: trace.processes.map(toReport),
      processtree: tree(trace.processes),
      summary: all.toReport(),
      apistats: apistats(trace.processes),
    } satisfies Behavior;
  },
};

/** A reader who compares times must know that two clocks ran. Half a second is what setting one may cost. */
function clockNotes(ahead: number): readonly string[] {
  const seconds = Math.round(ahead);
  if (seconds === 0) return [];
  const off = `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the host's`;
  return [`The guest's clock was set ${off}, as the task asks: times in behavior are the guest's.`];
}

/** Names and URLs, to the process where it is known, and to all. */
function addTraffic(
  network: Network,
  names: ReadonlyMap<string, string>,
  processes: readonly TracedProcess[],
  all: Summary,
): void {
  const owner = (procid: number | undefined): Summary | undefined =>
    procid === undefined ? undefined : processes[procid - 1]?.summary;
  for (const { request, procid, type } of network.dns) {
    if (type !== 'PTR') for (const summary of [all, owner(procid)]) summary?.add('resolves_host', request);
  }
  for (const { uri, procid } of network.http) {
    for (const summary of [all, owner(procid)]) summary?.add('fetches_url', uri);
  }
  for (const { dst, host, procid } of network.tcp) {
    const name = host ?? names.get(dst);
    if (name !== undefined) for (const summary of [all, owner(procid)]) summary?.add('connects_host', name);
  }
}

function identity(process: TracedProcess): {
  pid: number;
  ppid: number;
  process_name: string;
  process_path: string | null;
  first_seen: number;
} {
  const { pid, ppid, name, path, firstSeen } = process;
  return { pid, ppid, process_name: name, process_path: path, first_seen: firstSeen };
}

function toReport(process: TracedProcess): Process {
  return {
    type: 'process',
    procid: process.procid,
    parent_procid: process.parent?.procid ?? null,
    ...identity(process),
    command_line: process.commandLine,
    ended: process.ended,
    exit_code: process.exitCode,
    track: process.track,
    calls: process.calls,
  };
}

/** Processes are in order of their beginning, so parents come before their children and children are sorted. */
function tree(processes: readonly TracedProcess[]): ProcessNode[] {
  const roots: ProcessNode[] = [];
  const places = new Map<TracedProcess, { children: ProcessNode[]; depth: number }>();
  for (const process of processes) {
    const children: ProcessNode[] = [];
    const node: ProcessNode = {
      procid: process.procid,
      pid: process.pid,
      ppid: process.ppid,
      process_name: process.name,
      command_line: process.commandLine,
      first_seen: process.firstSeen,
      track: process.track,
      children,
    };
    const parent = process.parent === null ? undefined : places.get(process.parent);
    (parent?.children ?? roots).push(node);
    const depth = (parent?.depth ?? 0) + 1;
    places.set(
      process,
      depth < MAX_TREE_DEPTH ? { children, depth } : { children: parent?.children ?? roots, depth },
    );
  }
  return roots;
}

function apistats(processes: readonly TracedProcess[]): Behavior['apistats'] {
  const stats = new Map<number, Map<string, number>>();
  for (const { pid, counts } of processes) {
    const sums = stats.get(pid) ?? new Map<string, number>();
    for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
    if (sums.size > 0) stats.set(pid, sums);
  }
  const sorted = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
    a < b ? -1 : 1;
  return Object.fromEntries(
    [...stats]
      .sort(([a], [b]) => a - b)
      .map(([pid, sums]) => [String(pid), Object.fromEntries([...sums].sort(sorted))]),
  );
}
