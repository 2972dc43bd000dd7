import type { Report } from '#domain/report.js';
import { bytes, plural, section } from './lists.js';
import { cut, html, type Markup, type Part } from './markup.js';

/** Names shown in a sentence. */
const NAMES = 5;

function enumerate(texts: readonly string[]): Part {
  const unique = [...new Set(texts)];
  const shown = unique.slice(0, NAMES).map((text) => html`<code>${cut(text, 80)}</code>`);
  const more = unique.length - shown.length;
  return [
    shown.map((each, i) => [i === 0 ? '' : i === shown.length - 1 && more === 0 ? ' and ' : ', ', each]),
    more > 0 ? ` and ${more} more` : '',
  ];
}

function start({ target, info }: Report): Part {
  const what =
    target.category === 'url'
      ? html`The URL <code>${cut(target.url, 200)}</code>`
      : html`<code>${cut(target.file.name, 120)}</code> (${bytes(target.file.size)})`;
  const where = 'name' in info.machine ? ` on ${info.machine.name}` : '';
  const package_ = info.package === null ? '' : ` with the package ${info.package}`;
  return [what, ` was run${where}${package_}. `];
}

function processes({ behavior }: Report): Part {
  if (behavior === undefined || behavior.processes.length === 0) {
    return 'No process of it was traced, so this report cannot tell what it did on the machine. ';
  }
  const names = behavior.processes.map((process) => process.process_name);
  return [`${plural(names.length, 'process was', 'processes were')} traced: `, enumerate(names), '. '];
}

function network({ network: seen, info }: Report): Part {
  if (seen === undefined) return 'Network traffic was not recorded. ';
  const sentences: Part[] = [];
  const names = seen.dns.map((query) => query.request);
  if (names.length > 0)
    sentences.push([`It asked for ${plural(new Set(names).size, 'name')}: `, enumerate(names), '. ']);
  const first = seen.http[0];
  if (first !== undefined) {
    const by = first.process_name === undefined ? '' : ` by ${first.process_name}`;
    sentences.push(
      `It made ${plural(seen.http.length, 'web request')}; the first${by} was `,
      html`<code>${first.method} ${cut(first.uri, 160)}</code>. `,
    );
  }
  if (sentences.length === 0) {
    return seen.tcp.length + seen.udp.length === 0
      ? 'It sent nothing over the network. '
      : `It made ${plural(seen.tcp.length + seen.udp.length, 'connection')}. `;
  }
  if (info.route === 'inetsim')
    sentences.push('Answers came from the built-in fake internet, not from the real servers. ');
  return sentences;
}

function files({ behavior, dropped = [] }: Report): Part {
  const written = behavior?.summary.file_written ?? [];
  const deleted = behavior?.summary.file_deleted ?? [];
  if (written.length + deleted.length === 0) return null;
  const kept = dropped.filter((file) => file.deleted).length;
  return [
    written.length > 0 ? [`It wrote ${plural(written.length, 'file')} (`, enumerate(written), '). '] : null,
    deleted.length > 0 ? [`It deleted ${plural(deleted.length, 'file')} (`, enumerate(deleted), '). '] : null,
    kept > 0 ? `${plural(kept, 'deleted file is', 'deleted files are')} kept with this analysis. ` : null,
  ];
}

function worst({ signatures }: Report): Part {
  const strong = [...signatures].reverse().filter((match) => match.severity >= 3);
  if (strong.length === 0) return 'Nothing it did is known to be typical of malware. ';
  return [
    'Most telling: ',
    strong.slice(0, 3).map((match, i) => [i === 0 ? '' : '; ', html`<strong>${match.description}</strong>`]),
    '. ',
  ];
}

function end({ malkoha }: Report): Part {
  switch (malkoha.outcome.status) {
    case 'completed':
      return 'The run ended when the last traced process did.';
    case 'timed_out':
      return 'It was still running when the time was over, so it may do more than is seen here.';
    default:
      return 'The run did not end as it should, so this is only what was seen until then.';
  }
}

/** One paragraph, every sentence of it read off the evidence. */
export function story(report: Report): Markup {
  return section(
    'story',
    'What happened',
    null,
    html`<p class="story">
      ${[start, processes, network, files, worst, end].map((sentence) => sentence(report))}
    </p>`,
  );
}
