import type {
  BehaviorSummary,
  Call,
  DnsQuery,
  Evidence,
  FileReport,
  Flow,
  HttpRequest,
  Network,
  Process,
  ProcessNode,
} from '#domain/report.js';

/** Small, whole pieces of evidence: a test states what matters and gets a true report's shape around it. */

const START = 1_800_000_000;

export function call(api: string, args: readonly string[] = [], more: Partial<Call> = {}): Call {
  return {
    time: START,
    tid: 100,
    api,
    category: 'process',
    arguments: Object.fromEntries(args.map((argument, i) => [`p${i}`, argument])),
    return_value: '0',
    status: '',
    ...more,
  };
}

export interface ProcessSketch {
  readonly name?: string;
  readonly path?: string;
  readonly command?: string;
  readonly parent?: number;
  readonly at?: number;
  readonly exit?: number | null;
  readonly calls?: readonly Call[];
  readonly summary?: Partial<BehaviorSummary>;
}

export function fileReport(more: Partial<FileReport> = {}): FileReport {
  return {
    name: 'invoice.sh',
    path: '/storage/binaries/aa',
    size: 512,
    crc32: 'DEADBEEF',
    md5: '0'.repeat(32),
    sha1: '1'.repeat(40),
    sha256: '2'.repeat(64),
    sha512: '3'.repeat(128),
    ssdeep: null,
    type: 'POSIX shell script, ASCII text executable',
    yara: [],
    urls: [],
    ...more,
  };
}

function process(sketch: ProcessSketch, index: number): Process {
  const command = sketch.command ?? sketch.name ?? 'sh';
  const name = sketch.name ?? command.split(' ')[0]?.split('/').at(-1) ?? 'sh';
  return {
    type: 'process',
    procid: index + 1,
    parent_procid: sketch.parent ?? null,
    pid: 100 + index,
    ppid: sketch.parent === undefined ? 1 : 99 + sketch.parent,
    process_name: name,
    process_path: sketch.path ?? `/usr/bin/${name}`,
    command_line: command,
    first_seen: START + (sketch.at ?? index / 10),
    ended: START + 20,
    exit_code: sketch.exit === undefined ? 0 : sketch.exit,
    track: true,
    calls: sketch.calls ?? [],
  };
}

function tree(processes: readonly Process[], parent: number | null): ProcessNode[] {
  return processes
    .filter((each) => each.parent_procid === parent)
    .map((each) => ({
      procid: each.procid,
      pid: each.pid,
      ppid: each.ppid,
      process_name: each.process_name,
      command_line: each.command_line,
      first_seen: each.first_seen,
      track: each.track,
      children: tree(processes, each.procid),
    }));
}

/** Union of what the processes did, as the behaviour module makes it. */
function union(summaries: readonly Partial<BehaviorSummary>[]): BehaviorSummary {
  const keys = [
    ...new Set(summaries.flatMap((summary) => Object.keys(summary))),
  ] as (keyof BehaviorSummary)[];
  const merged = keys.map((key) => [
    key,
    summaries.flatMap((summary): readonly unknown[] => summary[key] ?? []),
  ]);
  return { files: [], keys: [], mutexes: [], ...(Object.fromEntries(merged) as Partial<BehaviorSummary>) };
}

export function network(more: Partial<Network> = {}): Network {
  return {
    hosts: [],
    domains: [],
    dns: [],
    dns_servers: [],
    http: [],
    tls: [],
    tcp: [],
    udp: [],
    icmp: [],
    smtp: [],
    irc: [],
    dead_hosts: [],
    mitm: [],
    ...more,
  };
}

export function dns(request: string, more: Partial<DnsQuery> = {}): DnsQuery {
  return { request, type: 'A', answers: [{ type: 'A', data: '198.18.0.7' }], time: 1, ...more };
}

export function http(uri: string, more: Partial<HttpRequest> = {}): HttpRequest {
  const url = new URL(uri);
  return {
    count: 1,
    host: url.hostname,
    port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
    data: `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`,
    uri,
    body: '',
    path: url.pathname,
    version: '1.1',
    method: 'GET',
    protocol: url.protocol === 'https:' ? 'https' : 'http',
    dst: '198.18.0.7',
    status: 200,
    time: 1.5,
    ...more,
  };
}

export function flow(dst: string, dport: number, more: Partial<Flow> = {}): Flow {
  return {
    src: '10.0.2.15',
    sport: 40000,
    dst,
    dport,
    offset: 24,
    time: 1,
    bytes_out: 120,
    bytes_in: 800,
    ...more,
  };
}

export interface EvidenceSketch {
  readonly processes?: readonly ProcessSketch[];
  readonly network?: Partial<Network>;
  readonly target?: Evidence['target'];
  readonly strings?: readonly string[];
  readonly dropped?: Evidence['dropped'];
}

/** Evidence of a run whose processes did what the sketch says; command lines are in the summary by themselves. */
export function evidence(sketch: EvidenceSketch = {}): Evidence {
  const sketches = sketch.processes ?? [];
  const processes = sketches.map(process);
  const summaries = processes.map((each, i) => ({
    command_line: [each.command_line],
    ...sketches[i]?.summary,
  }));
  return {
    info: {
      version: '2.0.7',
      added: START - 5,
      started: START - 2,
      ended: START + 25,
      duration: 27,
      id: 1,
      score: 0,
      category: 'file',
      custom: null,
      owner: null,
      package: 'sh',
      platform: 'linux',
      route: 'inetsim',
      options: '',
      machine: {},
    },
    target: sketch.target ?? { category: 'file', file: fileReport() },
    ...(processes.length > 0 && {
      behavior: {
        generic: processes.map((each, i) => ({
          pid: each.pid,
          ppid: each.ppid,
          process_name: each.process_name,
          process_path: each.process_path,
          first_seen: each.first_seen,
          summary: { files: [], keys: [], mutexes: [], ...summaries[i] },
        })),
        processes,
        processtree: tree(processes, null),
        summary: union(summaries),
        apistats: {},
      },
    }),
    ...(sketch.network !== undefined && { network: network(sketch.network) }),
    ...(sketch.dropped !== undefined && { dropped: sketch.dropped }),
    ...(sketch.strings !== undefined && { strings: sketch.strings }),
    malkoha: { outcome: { status: 'completed' }, phases: {}, notes: [] },
  };
}
