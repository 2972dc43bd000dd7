import type { Report } from '#domain/report.js';
import { rest, section } from './lists.js';
import { cut, html, NEWLINE, type Markup, type Part } from './markup.js';

/** Values of each kind. */
const VALUES = 100;
const LENGTH = 1000;

function group(title: string, values: readonly string[], where: string): Part {
  const unique = [...new Set(values)].filter((value) => value !== '');
  if (unique.length === 0) return null;
  const text = unique.slice(0, VALUES).map((value) => [cut(value, LENGTH), NEWLINE]);
  return html`<h3>${title}</h3>
    <pre class="ioc" tabindex="0">${text}</pre>
    ${rest(unique.length, VALUES, where)}`;
}

/** For copying: one value a line, as they are. */
export function indicators(report: Report): Markup {
  const { target, network, dropped = [] } = report;
  const sample = target.category === 'url' ? [] : [target.file.sha256, target.file.sha1, target.file.md5];
  const dns = network?.dns.map((query) => query.request) ?? [];
  const sni = network?.tls.flatMap((hello) => hello.sni ?? []) ?? [];
  const groups = [
    group('Hashes of the sample', sample, 'target.file'),
    group(
      'Hashes of files it left (SHA-256)',
      dropped.map((file) => file.sha256),
      'dropped',
    ),
    group('Domains', [...dns, ...sni], 'network.dns'),
    group('Addresses', [...(network?.hosts ?? [])], 'network.hosts'),
    group('URLs', network?.http.map((request) => request.uri) ?? [], 'network.http'),
    group(
      'Paths of files it left',
      dropped.flatMap((file) => file.filepath ?? []),
      'dropped',
    ),
  ].filter((each) => each !== null);
  const warning = html`<p class="quiet">
    Everything seen, harmless or not. In a run against the fake internet the addresses are made up.
  </p>`;
  return section(
    'indicators',
    'Indicators',
    null,
    groups.length === 0 ? html`<p class="quiet">None.</p>` : [warning, groups],
  );
}
