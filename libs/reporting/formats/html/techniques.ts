import type { Report } from '#domain/report.js';
import { ROWS, section, table } from './lists.js';
import { cut, html, type Part } from './markup.js';

export function techniques(report: Report): Part {
  const found = new Map<string, { short: string; by: Set<string> }>();
  for (const match of [...report.signatures].reverse()) {
    for (const [id, { short }] of Object.entries(match.ttp)) {
      const entry = found.get(id) ?? { short, by: new Set<string>() };
      entry.by.add(match.description);
      found.set(id, entry);
    }
  }
  if (found.size === 0) return null;
  const rows = [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, ROWS)
    .map(([id, { short, by }]): Part[] => [
      html`<code>${id}</code>`,
      html`${cut(short)}<br /><span class="url"
          >https://attack.mitre.org/techniques/${id.replace('.', '/')}/</span
        >`,
      [...by].map((each, i) => [i === 0 ? '' : html`<br />`, cut(each)]),
    ]);
  return section('attack', 'ATT&CK', found.size, table(['Technique', 'Name and page', 'Seen as'], rows));
}
