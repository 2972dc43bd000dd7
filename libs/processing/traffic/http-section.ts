import { isUtf8 } from 'node:buffer';
import type { FakenetRecord } from '#domain/artifacts.js';
import type { HttpRequest, Origin } from '#domain/report.js';
import { header, readRequests, readResponses, type Header } from '#formats/http.js';
import { sinceStart } from './dns-section.js';
import type { Flow, FlowIndex } from './flows.js';

type HttpRecord = FakenetRecord & { readonly kind: 'http' };

/** Requests in the report. */
const MAX_REQUESTS = 20_000;
/** Bytes of one body in the report. */
const MAX_BODY_BYTES = 64 * 1024;

export interface HttpContext {
  /** Unix seconds that times count from. */
  readonly began: number;
  readonly index: FlowIndex;
  readonly originOf: (flow: Flow | undefined) => Origin;
}

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly Header[];
  readonly head: string;
  readonly body: Buffer;
  readonly host: string;
  readonly port: number;
  readonly dst: string;
  readonly protocol: 'http' | 'https';
  readonly status: number;
  readonly time: number;
  readonly origin: Origin;
}

/**
 * Every request in order of time: unencrypted ones from the capture, those inside TLS from the fake internet, which
 * held the key. What the fake internet answered but the capture does not show is taken from it too.
 */
export function httpRequests(
  flows: readonly Flow[],
  fakenet: readonly FakenetRecord[],
  context: HttpContext,
): { requests: HttpRequest[]; refused: number } {
  const captured = new Map<Flow, number>();
  const seen: Seen[] = [];
  let refused = 0;
  const add = (request: Seen): void => {
    if (seen.length < MAX_REQUESTS) seen.push(request);
    else refused++;
  };

  for (const flow of flows) {
    if (flow.service !== 'http') continue;
    const found = fromFlow(flow, context.originOf(flow));
    captured.set(flow, found.length);
    found.forEach(add);
  }
  for (const record of fakenet) {
    if (record.kind !== 'http') continue;
    const flow = context.index.find(record);
    const shown = flow === undefined ? 0 : (captured.get(flow) ?? 0);
    if (!record.tls && flow !== undefined && shown > 0) captured.set(flow, shown - 1);
    else add(fromRecord(record, context.originOf(flow)));
  }
  return {
    requests: seen.sort((a, b) => a.time - b.time).map((one) => toReport(one, context.began)),
    refused,
  };
}

function fromFlow(flow: Flow, origin: Origin): Seen[] {
  const requests = readRequests(flow.client.bytes());
  const responses = readResponses(flow.server.bytes(), requests.map(({ method }) => method)); // prettier-ignore
  return requests.map((request, index) => ({
    method: request.method,
    target: request.uri,
    version: request.version,
    headers: request.headers,
    head: request.head,
    body: request.body,
    host: header(request.headers, 'host') ?? flow.host ?? flow.dst,
    port: flow.dport,
    dst: flow.dst,
    protocol: 'http',
    status: responses[index]?.status ?? 0,
    time: flow.client.timeAt(request.offset),
    origin,
  }));
}

function fromRecord(record: HttpRecord, origin: Origin): Seen {
  const version = record.version.replace(/^HTTP\//, '');
  const lines = record.headers.map(([name, value]) => `${name}: ${value}\r\n`);
  return {
    method: record.method,
    target: record.uri,
    version,
    headers: record.headers,
    head: `${record.method} ${record.uri} HTTP/${version}\r\n${lines.join('')}\r\n`,
    body: Buffer.from(record.body, 'base64'),
    host: record.host,
    port: record.dst.port,
    dst: record.dst.ip,
    protocol: record.tls ? 'https' : 'http',
    status: record.status,
    time: record.time,
    origin,
  };
}

function toReport(seen: Seen, began: number): HttpRequest {
  const absolute = /^https?:\/\/[^/]*(?<path>.*)$/i.exec(seen.target);
  const usual = seen.protocol === 'https' ? 443 : 80;
  const named = /:\d+$/.test(seen.host) || seen.port === usual;
  const authority = named ? seen.host : `${seen.host}:${seen.port}`;
  return {
    count: 1,
    host: seen.host,
    port: seen.port,
    data: seen.head,
    uri: absolute === null ? `${seen.protocol}://${authority}${seen.target}` : seen.target,
    body: text(seen.body.subarray(0, MAX_BODY_BYTES)),
    path: absolute === null ? seen.target : (absolute.groups?.['path'] ?? '') || '/',
    // Always there: readers written for Cuckoo take it for granted.
    'user-agent': header(seen.headers, 'user-agent') ?? '',
    version: seen.version,
    method: seen.method,
    protocol: seen.protocol,
    dst: seen.dst,
    status: seen.status,
    time: sinceStart(seen.time, began),
    ...seen.origin,
  };
}

const text = (bytes: Buffer): string => bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
