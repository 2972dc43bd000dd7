import type { Flow, Network, Report } from '#domain/report.js';
import { after, bytes, origin, rest, ROWS, section, table } from './lists.js';
import { cut, html, type Markup, type Part } from './markup.js';

function requests({ http }: Network): Part {
  if (http.length === 0) return null;
  const rows = http
    .slice(0, ROWS)
    .map((each): Part[] => [
      html`<strong>${each.method}</strong>`,
      html`<code>${cut(each.uri)}</code
        >${each.body === '' ? null : html`<br /><small>body: ${cut(each.body, 120)}</small>`}`,
      each.status === 0 ? '–' : each.status,
      html`<code>${cut(each['user-agent'] ?? '–', 120)}</code>`,
      origin(each) ?? '–',
      after(each.time),
    ]);
  return html`<h3>Web requests</h3>
    ${table(['Method', 'URL', 'Status', 'User agent', 'Process', 'When'], rows)}${rest(http.length, ROWS, 'network.http')}`;
}

function names({ dns }: Network): Part {
  if (dns.length === 0) return null;
  const rows = dns
    .slice(0, ROWS)
    .map((each): Part[] => [
      html`<code>${cut(each.request)}</code>`,
      each.type,
      each.answers.length === 0
        ? 'no answer'
        : each.answers
            .slice(0, 4)
            .map((answer, i) => [i === 0 ? '' : ', ', html`<code>${cut(answer.data, 60)}</code>`]),
      origin(each) ?? '–',
      after(each.time),
    ]);
  return html`<h3>Names asked for</h3>
    ${table(['Name', 'Type', 'Answer', 'Process', 'When'], rows)}${rest(dns.length, ROWS, 'network.dns')}`;
}

function hellos({ tls }: Network): Part {
  if (tls.length === 0) return null;
  const rows = tls
    .slice(0, ROWS)
    .map((each): Part[] => [
      html`<code>${cut(each.sni ?? '–')}</code>`,
      html`<code>${cut(each.dst, 60)}:${each.dport}</code>`,
      html`<code>${each.ja3 ?? '–'}</code>`,
      origin(each) ?? '–',
    ]);
  return html`<h3>TLS</h3>
    ${table(['Server name', 'Address', 'JA3', 'Process'], rows)}${rest(tls.length, ROWS, 'network.tls')}`;
}

function flows(kind: 'tcp' | 'udp', list: readonly Flow[]): Part {
  if (list.length === 0) return null;
  const rows = list
    .slice(0, ROWS)
    .map((each): Part[] => [
      html`<code>${cut(each.dst, 60)}:${each.dport}</code>`,
      html`<code>${cut(each.host ?? '–', 120)}</code>`,
      cut(each.service ?? '–', 40),
      html`${bytes(each.bytes_out)} out, ${bytes(each.bytes_in)} in`,
      origin(each) ?? '–',
      after(each.time),
    ]);
  return html`<h3>${kind.toUpperCase()}</h3>
    ${table(['To', 'Name', 'Service', 'Bytes', 'Process', 'When'], rows)}${rest(list.length, ROWS, `network.${kind}`)}`;
}

function others({ smtp, irc, dead_hosts: dead }: Network): Part {
  return [
    smtp.length === 0
      ? null
      : html`<h3>Mail</h3>
          ${table(
            ['Server', 'What was said'],
            smtp.slice(0, ROWS).map(({ dst, raw }) => [cut(dst), html`<code>${cut(raw)}</code>`]),
          )}${rest(smtp.length, ROWS, 'network.smtp')}`,
    irc.length === 0
      ? null
      : html`<h3>IRC</h3>
          ${table(
            ['From', 'Command'],
            irc
              .slice(0, ROWS)
              .map((each) => [each.type, html`<code>${cut(`${each.command} ${each.params}`)}</code>`]),
          )}${rest(irc.length, ROWS, 'network.irc')}`,
    dead.length === 0
      ? null
      : html`<h3>No answer from</h3>
          <p>
            ${dead.slice(0, ROWS).map(([ip, port], i) => [i === 0 ? '' : ', ', html`<code>${cut(ip, 60)}:${port}</code>`])}
          </p>
          ${rest(dead.length, ROWS, 'network.dead_hosts')}`,
  ];
}

export function network({ network: seen }: Report): Markup {
  if (seen === undefined)
    return section('network', 'Network', null, html`<p class="quiet">Not recorded.</p>`);
  const count = seen.http.length + seen.dns.length + seen.tls.length + seen.tcp.length + seen.udp.length;
  const body = [
    requests(seen),
    names(seen),
    hellos(seen),
    flows('tcp', seen.tcp),
    flows('udp', seen.udp),
    others(seen),
  ];
  return section(
    'network',
    'Network',
    count,
    count === 0 ? [html`<p class="quiet">Nothing was sent.</p>`, others(seen)] : body,
  );
}
