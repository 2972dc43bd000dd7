import type { Report } from '#domain/report.js';
import { bytes, facts, moment, plural, section } from './lists.js';
import { cut, html, NEWLINE, type Markup, type Part } from './markup.js';

const LOG_LINES = 50;
const STRINGS = 100;

function lines(title: string, all: readonly string[]): Part {
  if (all.length === 0) return null;
  const text = all.slice(0, LOG_LINES).map((line) => [cut(line), NEWLINE]);
  const more = all.length > LOG_LINES ? `, the first ${LOG_LINES}` : '';
  return html`<details>
    <summary>${title} (${plural(all.length, 'line')}${more})</summary>
    <pre tabindex="0">${text}</pre>
  </details>`;
}

function sample({ target }: Report): Part {
  if (target.category === 'url') return facts([['URL', html`<code>${cut(target.url, 2000)}</code>`]]);
  const { file } = target;
  return facts([
    ['Name', cut(file.name)],
    ['From', target.category === 'archive' ? cut(target.human, 500) : null],
    ['Type', cut(file.type, 500)],
    ['Size', `${bytes(file.size)} (${file.size.toLocaleString('en-US')})`],
    ['MD5', html`<code class="hash">${file.md5}</code>`],
    ['SHA-1', html`<code class="hash">${file.sha1}</code>`],
    ['SHA-256', html`<code class="hash">${file.sha256}</code>`],
    ['SHA-512', html`<code class="hash">${file.sha512}</code>`],
    ['ssdeep', file.ssdeep === null ? null : html`<code class="hash">${file.ssdeep}</code>`],
    ['CRC-32', html`<code class="hash">${file.crc32}</code>`],
  ]);
}

/** How the report came about, for who has to defend it. */
export function about(report: Report): Markup {
  const { info, strings = [], debug, network } = report;
  const calls = report.behavior?.processes.reduce((sum, process) => sum + process.calls.length, 0) ?? 0;
  const shown = strings.slice(0, STRINGS).map((each) => [cut(each, 200), NEWLINE]);
  return section('about', 'About this run', null, [
    sample(report),
    facts([
      ['Submitted', moment(info.added)],
      ['Started', moment(info.started)],
      ['Ended', moment(info.ended)],
      ['Options', cut(info.options)],
      ['Custom', info.custom === null ? null : cut(info.custom)],
      ['Owner', info.owner === null ? null : cut(info.owner)],
      ['Platform', info.platform],
      ['Calls traced', calls.toLocaleString('en-US')],
      [
        'Capture (SHA-256)',
        network?.pcap_sha256 === undefined ? null : html`<code class="hash">${network.pcap_sha256}</code>`,
      ],
      ['Report format', `Cuckoo ${info.version}`],
    ]),
    strings.length === 0
      ? null
      : html`<details>
          <summary>
            Strings in the sample
            (${plural(strings.length, 'string')}${strings.length > STRINGS ? `, the first ${STRINGS}` : ''})
          </summary>
          <pre tabindex="0">${shown}</pre>
        </details>`,
    lines('Errors', debug?.errors ?? []),
    lines('Log of the guest', debug?.log ?? []),
  ]);
}
