import type { BehaviorSummary, Evidence, Network } from '#domain/report.js';

/** One text a rule can look at, and who is known to have caused it. */
export interface Item {
  readonly text: string;
  /** `ioc` of the mark, where it is not the text itself. */
  readonly ioc?: string;
  readonly by?: { readonly pid: number; readonly process_name: string };
}

interface Source {
  /** What the rule writer gets, for the documentation. */
  readonly text: string;
  /** `category` of the marks. */
  readonly category: string;
  read(evidence: Evidence): readonly Item[];
}

/** Summary sources can be told apart by process: they are in behavior.generic[] too. */
interface SummarySource extends Source {
  pick(summary: BehaviorSummary): readonly Item[];
}

const items = (texts: readonly (string | null | undefined)[] = []): readonly Item[] =>
  texts.flatMap((text) => (text === null || text === undefined || text === '' ? [] : [{ text }]));

function summary(text: string, category: string, pick: SummarySource['pick']): SummarySource {
  return {
    text,
    category,
    pick,
    read: ({ behavior }) => (behavior === undefined ? [] : pick(behavior.summary)),
  };
}

function network(text: string, category: string, pick: (network: Network) => readonly Item[]): Source {
  return {
    text,
    category,
    read: (evidence) => (evidence.network === undefined ? [] : pick(evidence.network)),
  };
}

const unique = (texts: readonly string[]): readonly Item[] => items([...new Set(texts)]);

export const SUMMARY_SOURCES = {
  file_created: summary('path', 'file', (s) => items(s.file_created)),
  file_opened: summary('path', 'file', (s) => items(s.file_opened)),
  file_read: summary('path', 'file', (s) => items(s.file_read)),
  file_written: summary('path', 'file', (s) => items(s.file_written)),
  file_deleted: summary('path', 'file', (s) => items(s.file_deleted)),
  file_failed: summary('path that could not be opened', 'file', (s) => items(s.file_failed)),
  file_executed: summary('path', 'file', (s) => items(s.file_executed)),
  file_moved_from: summary('old path of a rename', 'file', (s) =>
    (s.file_moved ?? []).map(([from, to]) => ({ text: from, ioc: `${from} -> ${to}` })),
  ),
  file_moved_to: summary('new path of a rename', 'file', (s) =>
    (s.file_moved ?? []).map(([from, to]) => ({ text: to, ioc: `${from} -> ${to}` })),
  ),
  file_chmod: summary('octal mode without leading zeros, a space, the path: `4755 /tmp/x`', 'file', (s) =>
    (s.file_chmod ?? []).map(([path, mode]) => ({ text: `${mode.replace(/^0o?0*/, '')} ${path}` })),
  ),
  directory_created: summary('path', 'directory', (s) => items(s.directory_created)),
  directory_removed: summary('path', 'directory', (s) => items(s.directory_removed)),
  command_line: summary('program and arguments joined by spaces', 'cmdline', (s) => items(s.command_line)),
  connects_ip: summary('`ip:port`', 'ipaddr', (s) => items(s.connects_ip)),
  connects_host: summary('name', 'domain', (s) => items(s.connects_host)),
  resolves_host: summary('name', 'domain', (s) => items(s.resolves_host)),
  fetches_url: summary('URL', 'url', (s) => items(s.fetches_url)),
} as const satisfies Record<string, SummarySource>;

export const SOURCES = {
  ...SUMMARY_SOURCES,
  process_name: {
    text: 'name of a process',
    category: 'process',
    read: ({ behavior }) => (behavior?.processes ?? []).map((by) => ({ text: by.process_name, by })),
  },
  process_path: {
    text: 'path of a process image',
    category: 'file',
    read: ({ behavior }) =>
      (behavior?.processes ?? []).flatMap((by) =>
        by.process_path === null ? [] : [{ text: by.process_path, by }],
      ),
  },
  host: network('address', 'ipaddr', (n) => items(n.hosts)),
  domain: network('name asked for in DNS', 'domain', (n) => unique(n.dns.map((query) => query.request))),
  url: network('URL of an HTTP or HTTPS request', 'url', (n) => unique(n.http.map((request) => request.uri))),
  http_request: network('method, a space, the URL', 'request', (n) =>
    unique(n.http.map((request) => `${request.method} ${request.uri}`)),
  ),
  http_head: network('request line and headers', 'request', (n) =>
    n.http.map((request) => ({ text: request.data, ioc: `${request.method} ${request.uri}` })),
  ),
  http_body: network('body of a request', 'request', (n) =>
    n.http
      .filter((request) => request.body !== '')
      .map((request) => ({ text: request.body, ioc: `${request.method} ${request.uri}` })),
  ),
  user_agent: network('User-Agent of a request', 'user-agent', (n) =>
    n.http.flatMap((request) =>
      request['user-agent'] === undefined ? [] : [{ text: request['user-agent'] }],
    ),
  ),
  tls_sni: network('server name in a TLS hello', 'domain', (n) => items(n.tls.map((hello) => hello.sni))),
  tls_ja3: network('JA3 fingerprint', 'ja3', (n) => items(n.tls.map((hello) => hello.ja3))),
  tcp: network('`address:port` and, when resolved, ` name:port`', 'ipaddr', (n) => n.tcp.map(flowItem)),
  udp: network('`address:port` and, when resolved, ` name:port`', 'ipaddr', (n) => n.udp.map(flowItem)),
  smtp: network('what the client said', 'smtp', (n) =>
    n.smtp.map(({ dst, raw }) => ({ text: raw, ioc: dst })),
  ),
  irc: network('command, a space, its parameters', 'irc', (n) =>
    items(n.irc.map(({ command, params }) => `${command} ${params}`)),
  ),
  target_name: {
    text: 'name of the submitted file',
    category: 'file',
    read: ({ target }) => items(target.category === 'url' ? [] : [target.file.name]),
  },
  target_type: {
    text: 'what libmagic calls the submitted file',
    category: 'file type',
    read: ({ target }) => items(target.category === 'url' ? [] : [target.file.type]),
  },
  target_url: {
    text: 'the submitted URL',
    category: 'url',
    read: ({ target }) => items(target.category === 'url' ? [target.url] : []),
  },
  dropped_path: {
    text: 'guest path of a file it left',
    category: 'file',
    read: ({ dropped }) => items(dropped?.map((file) => file.filepath)),
  },
  dropped_type: {
    text: 'what libmagic calls a file it left',
    category: 'file type',
    read: ({ dropped }) =>
      (dropped ?? []).map((file) => ({
        text: file.type,
        ioc: `${file.filepath ?? file.name}: ${file.type}`,
      })),
  },
  string: {
    text: 'a printable string of the submitted file',
    category: 'string',
    read: ({ strings }) => items(strings),
  },
} as const satisfies Record<string, Source>;

function flowItem(flow: Network['tcp'][number]): Item {
  const address = `${flow.dst}:${flow.dport}`;
  const host = flow.host === undefined ? '' : ` ${flow.host}:${flow.dport}`;
  return {
    text: address + host,
    ioc: address + host,
    ...(flow.pid === undefined ? {} : { by: { pid: flow.pid, process_name: flow.process_name ?? '?' } }),
  };
}

export type SourceName = keyof typeof SOURCES;
export type SummarySourceName = keyof typeof SUMMARY_SOURCES;

export function isSummarySource(name: SourceName): name is SummarySourceName {
  return name in SUMMARY_SOURCES;
}

export function readSource(name: SourceName, evidence: Evidence): readonly Item[] {
  return SOURCES[name].read(evidence);
}

/** The same items, once per process that caused them. */
export function readByProcess(name: SummarySourceName, evidence: Evidence): readonly Item[] {
  return (evidence.behavior?.generic ?? []).flatMap((by) =>
    SUMMARY_SOURCES[name].pick(by.summary).map((item) => ({ ...item, by })),
  );
}
