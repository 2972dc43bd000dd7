import type { FakenetRecord } from '#domain/artifacts.js';
import type { Flow as ReportFlow, IcmpPacket, Network, Origin, TlsHello } from '#domain/report.js';
import { isPublicAddress } from '#formats/net-ranges.js';
import { readIrc } from '#formats/text-protocols.js';
import { readClientHello, readServerHello } from '#formats/tls.js';
import type { TracedProcess } from '../trace/process.js';
import type { Trace } from '../trace/trace.js';
import { askers, attribute, originOf } from './attribution.js';
import type { Capture, CapturedIcmp } from './capture.js';
import { dnsFacts, sinceStart } from './dns-section.js';
import { FlowIndex, joinFlows, type Flow } from './flows.js';
import { httpRequests } from './http-section.js';

/** Characters of one SMTP conversation in the report. */
const MAX_SMTP = 256 * 1024;

export interface NetworkFacts {
  readonly section: Network;
  /** Address → the name it was an answer for. */
  readonly names: ReadonlyMap<string, string>;
  readonly notes: readonly string[];
}

/**
 * The network section: the union of what was captured and what the fake internet recorded, joined with the trace.
 *
 * @param ahead seconds the guest's clock, which the trace tells the time by, was set ahead of the host's
 */
export function networkFacts(
  capture: Capture | null,
  fakenet: readonly FakenetRecord[],
  trace: Trace | null,
  ahead: number,
): NetworkFacts {
  const began = capture?.began ?? fakenet[0]?.time ?? 0;
  const flows = joinFlows(capture?.flows ?? [], fakenet);
  const owners = attribute(flows, trace?.connections ?? [], ahead);
  const dns = dnsFacts(capture?.dns ?? [], fakenet, { began, askers: askers(trace?.queries ?? []) });
  for (const flow of flows) flow.host ??= dns.names.get(flow.dst) ?? null;

  const index = new FlowIndex(flows);
  const origin = (flow: Flow | undefined): Origin =>
    processOf(flow === undefined ? undefined : owners.get(flow));
  const http = httpRequests(flows, fakenet, { began, index, originOf: origin });
  const notes = [...(capture?.notes ?? [])];
  if (http.refused > 0) notes.push(`${http.refused} further HTTP requests are not listed.`);

  const list = (protocol: 'tcp' | 'udp'): ReportFlow[] =>
    flows.filter((flow) => flow.protocol === protocol).map((flow) => toReport(flow, began, origin(flow)));
  const section: Network = {
    ...(capture === null ? {} : { pcap_sha256: capture.sha256 }),
    hosts: hosts(flows, capture?.icmp ?? [], dns.names),
    domains: dns.domains,
    dns: dns.queries,
    dns_servers: dns.servers,
    http: http.requests,
    tls: tlsHellos(flows, fakenet, { began, index, origin }),
    tcp: list('tcp'),
    udp: list('udp'),
    icmp: (capture?.icmp ?? []).filter(({ data }) => data.length > 0).map(icmp),
    smtp: flows.filter(({ service }) => service === 'smtp').map(smtp),
    irc: flows.filter(({ service }) => service === 'irc').flatMap(irc),
    dead_hosts: deadHosts(flows),
    mitm: [],
  };
  return { section, names: dns.names, notes };
}

const processOf = (process: TracedProcess | undefined): Origin =>
  process === undefined ? {} : originOf(process);

function toReport(flow: Flow, began: number, origin: Origin): ReportFlow {
  return {
    src: flow.src,
    sport: flow.sport,
    dst: flow.dst,
    dport: flow.dport,
    offset: flow.offset,
    time: sinceStart(flow.time, began),
    bytes_out: flow.bytesOut,
    bytes_in: flow.bytesIn,
    ...(flow.host === null ? {} : { host: flow.host }),
    ...(flow.service === null ? {} : { service: flow.service }),
    ...origin,
  };
}

/** In order of first contact: public addresses, and any that a name stood for (the fake internet's are not public). */
function hosts(
  flows: readonly Flow[],
  icmpPackets: readonly CapturedIcmp[],
  names: ReadonlyMap<string, string>,
): string[] {
  const all = [...flows.map(({ dst }) => dst), ...icmpPackets.map(({ dst }) => dst)];
  return [...new Set(all)].filter((ip) => names.has(ip) || isPublicAddress(ip));
}

/** Addresses that never answered a connection attempt, though one was made. */
function deadHosts(flows: readonly Flow[]): [string, number][] {
  const alive = new Map<string, { answered: boolean; ip: string; port: number }>();
  for (const { protocol, dst, dport, synSequence, answered } of flows) {
    if (protocol !== 'tcp' || synSequence === null) continue;
    const key = `${dst} ${dport}`;
    const before = alive.get(key)?.answered ?? false;
    alive.set(key, { answered: before || answered, ip: dst, port: dport });
  }
  return [...alive]
    .filter(([, { answered }]) => !answered)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ip, port }]) => [ip, port]);
}

function tlsHellos(
  flows: readonly Flow[],
  fakenet: readonly FakenetRecord[],
  { began, index, origin }: { began: number; index: FlowIndex; origin: (flow: Flow | undefined) => Origin },
): TlsHello[] {
  const hellos: TlsHello[] = [];
  const shown = new Set<Flow>();
  for (const flow of flows) {
    const client =
      flow.protocol === 'tcp' && flow.service === 'tls' ? readClientHello(flow.client.bytes()) : null;
    if (client === null) continue;
    shown.add(flow);
    const server = readServerHello(flow.server.bytes());
    hellos.push({
      sni: client.sni,
      ja3: client.ja3,
      dst: flow.dst,
      dport: flow.dport,
      session_id: server?.sessionId ?? client.sessionId,
      server_random: server?.random ?? '',
      time: sinceStart(flow.client.timeAt(0), began),
      ...origin(flow),
    });
  }
  for (const record of fakenet) {
    if (record.kind !== 'tls') continue;
    const flow = index.find(record);
    if (flow !== undefined && shown.has(flow)) continue;
    hellos.push({
      sni: record.sni,
      dst: record.dst.ip,
      dport: record.dst.port,
      session_id: '',
      server_random: '',
      time: sinceStart(record.time, began),
      ...origin(flow),
    });
  }
  return hellos.sort((a, b) => a.time - b.time);
}

function smtp(flow: Flow): Network['smtp'][number] {
  return { dst: flow.dst, raw: flow.client.bytes().toString('latin1', 0, MAX_SMTP) };
}

function irc(flow: Flow): Network['irc'][number][] {
  return [
    ...readIrc(flow.client.bytes()).map((message) => ({ ...message, type: 'client' as const })),
    ...readIrc(flow.server.bytes()).map((message) => ({ ...message, type: 'server' as const })),
  ];
}

/** Printable text as it is, everything else as \xHH. */
function icmp({ src, dst, type, data }: CapturedIcmp): IcmpPacket {
  const escaped = data
    .toString('latin1')
    .replace(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return { src, dst, type, data: escaped };
}
