import type { DnsQuery, Flow, HttpRequest, Report } from '#domain/report.js';
import { clip } from '../../text.js';
import { first } from '../maec/choose.js';
import { requestName } from '../maec/vocabulary.js';
import { append, nonEmpty, type PackageBuilder } from './package.js';

/** Entries of each kind. */
const ENTRIES = 1000;
const TEXT = 2048;

/** A name as RFC 1034 has it, with the underscores that are met; other questions cannot be domain-name objects. */
const NAME = /^(?=.{1,253}$)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/;

const NOBODY = -1;

export interface Traffic {
  /** References of network-traffic objects. */
  readonly refs: readonly string[];
  readonly ofProcess: ReadonlyMap<number, readonly string[]>;
  /** Ids of actions, by process instance; under NOBODY when it is not known whose. */
  readonly actions: ReadonlyMap<number, readonly string[]>;
}

/** Flows as observables, DNS and HTTP requests as observables and actions. */
export function addNetwork({ network }: Report, to: PackageBuilder): Traffic {
  const refs: string[] = [];
  const ofProcess = new Map<number, string[]>();
  const actions = new Map<number, string[]>();
  for (const kind of ['tcp', 'udp'] as const) {
    for (const flow of first(network?.[kind] ?? [], ENTRIES, `${kind.toUpperCase()} flows`, to.notes)) {
      const ref = addFlow(kind, flow, to);
      if (ref === undefined) continue;
      refs.push(ref);
      if (flow.procid !== undefined) append(ofProcess, flow.procid, ref);
    }
  }
  first(network?.http ?? [], ENTRIES, 'web requests', to.notes).forEach((request, i) => {
    const ref = addRequest(request, to);
    if (ref === undefined) return;
    refs.push(ref);
    const id = to.identifier('malware-action', `http ${i}`);
    const name = requestName(request.method);
    to.objects.push({ type: 'malware-action', id, name, output_object_refs: [ref] });
    append(actions, request.procid ?? NOBODY, id);
  });
  let unnamable = 0;
  first(network?.dns ?? [], ENTRIES, 'DNS queries', to.notes).forEach((query, i) => {
    const ref = addQuery(query, to);
    if (ref === undefined) {
      unnamable++;
      return;
    }
    const id = to.identifier('malware-action', `dns ${i}`);
    to.objects.push({ type: 'malware-action', id, name: 'send-dns-query', input_object_refs: [ref] });
    append(actions, query.procid ?? NOBODY, id);
  });
  if (unnamable > 0)
    to.notes.push(`${unnamable} DNS queries were for what is no host name; see report.json.`);
  return { refs, ofProcess, actions };
}

function layers(ip: string, ...above: readonly string[]): readonly string[] {
  return [ip.includes(':') ? 'ipv6' : 'ipv4', ...above];
}

function addFlow(kind: 'tcp' | 'udp', flow: Flow, to: PackageBuilder): string | undefined {
  const source = to.observables.address(flow.src);
  const destination = to.observables.address(flow.dst);
  if (destination === undefined) return undefined;
  return to.observables.put({
    type: 'network-traffic',
    src_ref: source,
    dst_ref: destination,
    src_port: flow.sport,
    dst_port: flow.dport,
    protocols: layers(flow.dst, kind, ...(flow.service === undefined ? [] : [clip(flow.service, 40)])),
    src_byte_count: flow.bytes_out,
    dst_byte_count: flow.bytes_in,
  });
}

function addRequest(request: HttpRequest, to: PackageBuilder): string | undefined {
  const destination = to.observables.address(request.dst);
  if (destination === undefined) return undefined;
  const agent = request['user-agent'] ?? '';
  return to.observables.put({
    type: 'network-traffic',
    dst_ref: destination,
    dst_port: request.port,
    protocols: layers(request.dst, 'tcp', request.protocol),
    extensions: {
      'http-request-ext': {
        request_method: clip(request.method.toLowerCase(), 40),
        request_value: clip(request.path, TEXT),
        request_version: `http/${clip(request.version, 40)}`,
        request_header: {
          Host: clip(request.host, TEXT),
          ...(agent !== '' && { 'User-Agent': clip(agent, TEXT) }),
        },
        message_body_length: Buffer.byteLength(request.body),
      },
    },
  });
}

function addQuery({ request, answers }: DnsQuery, to: PackageBuilder): string | undefined {
  if (!NAME.test(request)) return undefined;
  return to.observables.add(`domain ${request}`, () => {
    const addresses = answers.slice(0, 100).map(({ data }) => to.observables.address(data));
    const known = addresses.filter((ref) => ref !== undefined);
    return { type: 'domain-name', value: request, resolves_to_refs: nonEmpty(known) };
  });
}
