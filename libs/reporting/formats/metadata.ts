import type { FileReport, HttpRequest, Report } from '#domain/report.js';
import type { ReportFormat } from '../format.js';
import { timestamp } from '../text.js';
import { cut, targetMd5 } from './maec1/ids.js';
import { element, textElement, xmlDocument, type Element } from './xml.js';

/** Objects of each kind; report.json has all. */
const FILES = 1000;
const URIS = 1000;
/** A text as XPath 1.0 writes it. It has no escapes: a text with both kinds of quotes is joined from parts. */
function literal(text: string): string {
  if (!text.includes("'")) return `'${text}'`;
  if (!text.includes('"')) return `"${text}"`;
  return `concat(${text
    .split("'")
    .map((part) => `'${part}'`)
    .join(`, "'", `)})`;
}

const reference = (kind: 'file' | 'uri' | 'ip', id: string): string => `${kind}[@id=${literal(id)}]`;

function ref(name: 'references' | 'source' | 'target', path: string): Element {
  return element(name, {}, textElement('ref', path));
}

function fileObject(file: FileReport): Element {
  return element(
    'file',
    { id: file.md5 },
    textElement('md5', file.md5),
    textElement('sha1', file.sha1),
    textElement('sha256', file.sha256),
    textElement('sha512', file.sha512),
    textElement('size', file.size),
    textElement('crc32', file.crc32),
    textElement('fileType', cut(file.type)),
    file.ssdeep === null ? null : textElement('extraHash', file.ssdeep, { type: 'ssdeep' }),
  );
}

function uriObject(request: HttpRequest): Element {
  return element(
    'uri',
    { id: cut(request.uri) },
    textElement('uriString', cut(request.uri)),
    textElement('protocol', request.protocol),
    textElement('hostname', cut(request.host)),
    textElement('port', request.port),
    textElement('path', cut(request.path)),
    textElement('ipProtocol', 'tcp'),
  );
}

/** One address is a range with equal ends, and so is its id. */
function ipObject(ip: string): Element {
  const type = ip.includes(':') ? 'ipv6' : 'ipv4';
  return element(
    'ip',
    { id: `${ip}-${ip}` },
    textElement('startAddress', ip, { type }),
    textElement('endAddress', ip, { type }),
  );
}

function property(path: string, ...values: readonly (readonly [string, string] | null)[]): Element {
  return element(
    'objectProperty',
    {},
    ref('references', path),
    ...values.map((value) => value && textElement('property', cut(value[1]), { type: value[0] })),
  );
}

/** The first of each key. */
function unique<T>(all: readonly T[], key: (each: T) => string, limit: number): readonly T[] {
  const seen = new Map<string, T>();
  for (const each of all) if (seen.size < limit && !seen.has(key(each))) seen.set(key(each), each);
  return [...seen.values()];
}

function relationships(
  links: readonly (readonly [type: string, source: string, target: string])[],
): readonly Element[] {
  return links.map(([type, source, target], i) =>
    element('relationship', { type, id: i + 1 }, ref('source', source), ref('target', target)),
  );
}

function metadata(report: Report): Element {
  const { info, target, dropped = [], network } = report;
  const sample = target.category === 'url' ? null : target.file;
  const md5 = targetMd5(report);
  const subject = reference(sample === null ? 'uri' : 'file', md5);

  const kept = unique(dropped, (file) => file.md5, FILES).filter((file) => file.md5 !== md5);
  const files = sample === null ? kept : [sample, ...kept];
  const requests = unique(network?.http ?? [], ({ uri }) => cut(uri), URIS);
  // Only addresses that a name of these requests resolved to.
  const hosts = new Map<string, string[]>();
  for (const { domain, ip } of network?.domains ?? []) hosts.set(domain, [...(hosts.get(domain) ?? []), ip]);
  const servers = requests.flatMap((request) =>
    (hosts.get(request.host) ?? []).filter((ip) => ip !== '').map((ip) => ({ ip, uri: cut(request.uri) })),
  );
  const ips = unique(servers, ({ ip }) => ip, URIS).map(({ ip }) => ip);

  const author = `Cuckoo Sandbox ${info.version}`;
  const left =
    dropped.length > FILES || (network?.http.length ?? 0) > URIS ? '; more objects are in report.json' : '';
  return element(
    'malwareMetaData',
    {
      xmlns: 'http://xml/metadataSharing.xsd',
      'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
      'xsi:schemaLocation': 'http://xml/metadataSharing.xsd file:metadataSharing.xsd',
      version: '1.1',
      id: `cuckoo:${md5}`,
    },
    textElement('author', author),
    textElement('comment', `Made by Malkoha as ${author} did${left}`),
    textElement('timestamp', timestamp(info.started) ?? timestamp(info.added) ?? '1970-01-01T00:00:00.000Z'),
    element(
      'objects',
      {},
      ...files.map(fileObject),
      target.category === 'url'
        ? element('uri', { id: md5 }, textElement('uriString', cut(target.url)))
        : null,
      ...requests.map(uriObject),
      ...ips.map(ipObject),
    ),
    element(
      'objectProperties',
      {},
      ...files.map((file) => property(reference('file', file.md5), ['filename', file.name])),
      ...requests.map((request) => {
        const agent = request['user-agent'] ?? '';
        return property(
          reference('uri', cut(request.uri)),
          ['httpMethod', request.method],
          request.method === 'POST' ? ['postData', request.body] : null,
          agent === '' ? null : ['userAgent', agent],
        );
      }),
    ),
    element(
      'relationships',
      {},
      ...relationships([
        ...kept.map((file) => ['installed', subject, reference('file', file.md5)] as const),
        ...servers.map(
          ({ ip, uri }) =>
            ['isServerOfService', reference('ip', `${ip}-${ip}`), reference('uri', uri)] as const,
        ),
        ...requests.map(({ uri }) => ['contactedBy', subject, reference('uri', cut(uri))] as const),
      ]),
    ),
  );
}

/**
 * MMDEF 1.1, "malware metadata sharing", as Cuckoo 0.4 to 1.2 wrote it, but that references are in `ref` elements, as
 * its schema has them.
 *
 * @see https://github.com/cuckoosandbox/cuckoo, modules/reporting/mmdef.py before 2.0
 */
export const metadataXml: ReportFormat = {
  extension: 'metadata.xml',
  render: (report) => xmlDocument(metadata(report), 'Malware metadata, made by Malkoha'),
};
