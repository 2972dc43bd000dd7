import type { Flow, Origin, Report } from '#domain/report.js';
import { clip } from '../../text.js';
import { bytes } from '../html/lists.js';
import type { Column, Sheet } from './sheet.js';
import { SIZE } from './style.js';

const ROWS = 25;

const REQUESTS: readonly Column[] = [
  { title: 'Web request', share: 0.58, font: 'mono' },
  { title: 'Status', share: 0.08 },
  { title: 'User agent', share: 0.19, limit: 60 },
  { title: 'Process', share: 0.15 },
];
const NAMES: readonly Column[] = [
  { title: 'Name asked for', share: 0.5, font: 'mono' },
  { title: 'Answer', share: 0.35, font: 'mono' },
  { title: 'Process', share: 0.15 },
];
const HELLOS: readonly Column[] = [
  { title: 'TLS server name', share: 0.33, font: 'mono' },
  { title: 'Address', share: 0.22, font: 'mono' },
  { title: 'JA3', share: 0.3, font: 'mono' },
  { title: 'Process', share: 0.15 },
];
const FLOWS: readonly Column[] = [
  { title: 'Connection to', share: 0.25, font: 'mono' },
  { title: 'Name', share: 0.25, font: 'mono' },
  { title: 'Service', share: 0.1 },
  { title: 'Bytes', share: 0.25 },
  { title: 'Process', share: 0.15 },
];

function by({ pid, process_name: name }: Origin): string {
  return pid === undefined ? '–' : `${clip(name ?? '?', 32)} ${pid}`;
}

function flow(kind: 'TCP' | 'UDP', each: Flow): readonly string[] {
  const traffic = `${bytes(each.bytes_out)} out, ${bytes(each.bytes_in)} in`;
  return [`${kind} ${each.dst}:${each.dport}`, each.host ?? '–', each.service ?? '–', traffic, by(each)];
}

/** The first of a list as a table, nothing when it is empty. `where` is its place in report.json. */
function list<T>(
  sheet: Sheet,
  [all, where]: readonly [readonly T[], string],
  columns: readonly Column[],
  row: (each: T) => readonly string[],
): void {
  if (all.length === 0) return;
  sheet.table(columns, all.slice(0, ROWS).map(row));
  sheet.rest(all.length, ROWS, where);
  sheet.space(6);
}

export function network(sheet: Sheet, { network: seen }: Report): void {
  const { http = [], dns = [], tls = [], tcp = [], udp = [], dead_hosts: dead = [] } = seen ?? {};
  const count = http.length + dns.length + tls.length + tcp.length + udp.length;
  sheet.heading('Network', count);
  if (seen === undefined) sheet.quiet('Not recorded.');
  else if (count === 0) sheet.quiet('Nothing was sent.');
  list(sheet, [http, 'network.http'], REQUESTS, (each) => [
    `${each.method} ${each.uri}`,
    each.status === 0 ? '–' : String(each.status),
    each['user-agent'] ?? '–',
    by(each),
  ]);
  list(sheet, [dns, 'network.dns'], NAMES, (each) => [
    `${each.request} (${each.type})`,
    each.answers.length === 0
      ? 'none'
      : each.answers
          .slice(0, 3)
          .map(({ data }) => clip(data, 40))
          .join(', '),
    by(each),
  ]);
  list(sheet, [tls, 'network.tls'], HELLOS, (each) => [
    each.sni ?? '–',
    `${each.dst}:${each.dport}`,
    each.ja3 ?? '–',
    by(each),
  ]);
  list(sheet, [tcp, 'network.tcp'], FLOWS, (each) => flow('TCP', each));
  list(sheet, [udp, 'network.udp'], FLOWS, (each) => flow('UDP', each));
  if (dead.length === 0) return;
  const hosts = dead.slice(0, ROWS).map(([ip, port]) => `${ip}:${port}`);
  sheet.text(`No answer from ${hosts.join(', ')}`, { size: SIZE.code });
  sheet.rest(dead.length, ROWS, 'network.dead_hosts');
}
