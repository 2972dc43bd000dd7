import type { Origin } from '#domain/report.js';
import type { Connection, TracedProcess } from '../trace/process.js';
import type { TracedQuery } from '../trace/network-effects.js';

/** The ends of a flow, and when it began (Unix seconds, the host's clock). */
export interface Ends {
  readonly protocol: 'tcp' | 'udp';
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly time: number;
}

export function originOf(process: TracedProcess): Origin {
  return { procid: process.procid, pid: process.pid, process_name: process.name };
}

/**
 * Which process opened which flow. A connection whose own port the trace shows is certain. Otherwise the destination
 * decides, when only one process went there; else the order, when there are as many connections as flows; else time,
 * after the guest's clock was set against the host's by the pairs already known.
 *
 * @param ahead seconds the guest's clock was set ahead of the host's, for when no pair is known
 */
export function attribute<F extends Ends>(
  flows: readonly F[],
  connections: readonly Connection[],
  ahead: number,
): Map<F, TracedProcess> {
  const owners = new Map<F, TracedProcess>();
  const skews: number[] = [];
  const unclear: { flows: F[]; connections: Connection[] }[] = [];

  const wanted = groupBy(connections, ({ remote, stream }) => {
    const protocols = stream === null ? ['tcp', 'udp'] : [stream ? 'tcp' : 'udp'];
    return protocols.map((protocol) => `${protocol} ${remote.ip} ${remote.port}`);
  });
  for (const [place, there] of groupBy(flows, (flow) => [`${flow.protocol} ${flow.dst} ${flow.dport}`])) {
    const candidates = wanted.get(place) ?? [];
    const byPort = new Map(candidates.flatMap((connection) => (connection.localPort === null ? [] : [[connection.localPort, connection]]))); // prettier-ignore
    const open = there.filter((flow) => {
      const connection = byPort.get(flow.sport);
      if (connection === undefined) return true;
      owners.set(flow, connection.process);
      skews.push(flow.time - connection.time);
      return false;
    });
    const ports = new Set(there.map(({ sport }) => sport));
    const left = candidates
      .filter(({ localPort }) => localPort === null || !ports.has(localPort))
      .sort((a, b) => a.time - b.time);
    if (open.length === 0 || left.length === 0) continue;
    const sole = new Set(left.map(({ process }) => process)).size === 1;
    if (!sole && left.length !== open.length) {
      unclear.push({ flows: open, connections: left });
      continue;
    }
    for (const [index, flow] of open.entries()) {
      const connection = left[Math.min(index, left.length - 1)];
      if (connection === undefined) continue;
      owners.set(flow, connection.process);
      if (index < left.length) skews.push(flow.time - connection.time);
    }
  }

  const skew = median(skews) ?? -ahead;
  for (const group of unclear) {
    for (const flow of group.flows) {
      const nearest = closest(group.connections, flow.time - skew);
      if (nearest !== undefined) owners.set(flow, nearest.process);
    }
  }
  return owners;
}

/** Lower-case name → the process that asked for it first. */
export function askers(queries: readonly TracedQuery[]): Map<string, TracedProcess> {
  const first = new Map<string, TracedProcess>();
  for (const { name, process } of queries) {
    const key = name.toLowerCase();
    if (!first.has(key)) first.set(key, process);
  }
  return first;
}

function closest(sorted: readonly Connection[], time: number): Connection | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.time ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  const before = sorted[low - 1];
  const after = sorted[low];
  if (before === undefined || after === undefined) return before ?? after;
  return time - before.time <= after.time - time ? before : after;
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function groupBy<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    for (const key of keysOf(item)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [item]);
      else group.push(item);
    }
  }
  return groups;
}
