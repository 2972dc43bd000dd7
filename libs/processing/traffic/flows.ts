import type { FakenetRecord, Endpoint } from '#domain/artifacts.js';
import { looksLikeHttp } from '#formats/http.js';
import { textService } from '#formats/text-protocols.js';
import { TcpStream } from '#formats/tcp-stream.js';
import { looksLikeTls } from '#formats/tls.js';
import type { CapturedFlow } from './capture.js';

type Transfer = FakenetRecord & { readonly kind: 'tcp' | 'udp' };
export type WithEnds = FakenetRecord & { readonly src: Endpoint; readonly dst: Endpoint };

/** Bytes of a stream looked at to name its protocol. */
const GREETING_BYTES = 4096;

/** A connection with everything known of it: captured, recorded by the fake internet, or both. */
export interface Flow extends CapturedFlow {
  host: string | null;
  service: string | null;
}

/** `protocol src:port dst:port` of a flow or a record: ports may be used again, see `FlowIndex`. */
const place = (protocol: string, src: Endpoint, dst: Endpoint): string =>
  `${protocol} ${src.ip} ${src.port} ${dst.ip} ${dst.port}`;

/** Captured flows, named by their content, and those only the fake internet saw; in order of time. */
export function joinFlows(captured: readonly CapturedFlow[], fakenet: readonly FakenetRecord[]): Flow[] {
  const flows = captured.map((flow): Flow => Object.assign(flow, { host: null, service: service(flow) }));
  const known = new FlowIndex(flows);
  const added: Flow[] = [];
  for (const record of fakenet) {
    if (record.kind !== 'tcp' && record.kind !== 'udp') continue;
    const flow = known.find(record);
    if (flow === undefined) {
      added.push(recorded(record));
      continue;
    }
    flow.host ??= record.host;
    if (record.service !== 'unknown') flow.service ??= record.service;
  }
  return [...flows, ...added].sort((a, b) => a.time - b.time);
}

/** Finds the flow that a record is about: the latest one of these ends that began before it. */
export class FlowIndex {
  readonly #flows = new Map<string, Flow[]>();

  constructor(flows: readonly Flow[]) {
    for (const flow of flows) {
      const key = place(
        flow.protocol,
        { ip: flow.src, port: flow.sport },
        { ip: flow.dst, port: flow.dport },
      );
      const same = this.#flows.get(key);
      if (same === undefined) this.#flows.set(key, [flow]);
      else same.push(flow);
    }
  }

  find({ kind, src, dst, time }: WithEnds): Flow | undefined {
    const same = this.#flows.get(place(kind === 'udp' ? 'udp' : 'tcp', src, dst)) ?? [];
    return same.findLast((flow) => flow.time <= time) ?? same[0];
  }
}

function service(flow: CapturedFlow): string | null {
  if (flow.protocol === 'udp') return flow.dport === 53 ? 'dns' : null;
  const client = flow.client.bytes().subarray(0, GREETING_BYTES);
  if (looksLikeTls(client)) return 'tls';
  if (looksLikeHttp(client)) return 'http';
  return textService(client, flow.server.bytes()) ?? (flow.dport === 53 ? 'dns' : null);
}

function recorded(record: Transfer): Flow {
  const client = new TcpStream(GREETING_BYTES);
  client.add(0, Buffer.from(record.data, 'base64'), record.time);
  return {
    protocol: record.kind,
    src: record.src.ip,
    sport: record.src.port,
    dst: record.dst.ip,
    dport: record.dst.port,
    offset: 0,
    time: record.time,
    bytesOut: record.bytes,
    bytesIn: 0,
    answered: true,
    synSequence: null,
    client,
    server: new TcpStream(GREETING_BYTES),
    host: record.host,
    service: record.service === 'unknown' ? null : record.service,
  };
}
