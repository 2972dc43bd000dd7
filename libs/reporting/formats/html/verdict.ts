import type { Report, Score } from '#domain/report.js';
import { facts, moment, plural } from './lists.js';
import { cut, html, type Markup, type Part } from './markup.js';

const TONE = {
  'no sign of malice': 'calm',
  suspicious: 'warn',
  'likely malicious': 'bad',
  malicious: 'worst',
} as const satisfies Record<Score['label'], string>;

const RADIUS = 52;

/** A ring filled by tenths. Drawn by attributes: the page's policy allows no style of its own. */
function ring(score: Score): Markup {
  const around = 2 * Math.PI * RADIUS;
  const filled = (around * Math.min(10, Math.max(0, score.value))) / 10;
  return html`<svg
    class="ring"
    viewBox="0 0 120 120"
    role="img"
    aria-label="Score ${score.value.toFixed(1)} out of 10"
  >
    <circle cx="60" cy="60" r="${RADIUS}" class="track" />
    <circle
      cx="60"
      cy="60"
      r="${RADIUS}"
      class="fill"
      transform="rotate(-90 60 60)"
      stroke-dasharray="${filled.toFixed(1)} ${around.toFixed(1)}"
    />
    <text x="60" y="64" class="value">${score.value.toFixed(1)}</text>
    <text x="60" y="84" class="of">of 10</text>
  </svg>`;
}

/** Parts shown at once; the smaller ones are folded. */
const PARTS = 6;

function parts(report: Report): Part {
  const all = [...report.malkoha.score.parts].sort((a, b) => b.points - a.points);
  if (all.length === 0) return html`<p class="quiet">No signature matched.</p>`;
  const about = new Map(report.signatures.map((match) => [match.name, match]));
  const most = Math.max(...all.slice(0, 1).map((part) => part.points), 1);
  const rows = all.map(({ signature, points }) => {
    const { severity = 1, description = signature } = about.get(signature) ?? {};
    const width = ((100 * points) / most).toFixed(1);
    return html`<tr>
      <td><a href="#signatures">${description}</a></td>
      <td class="bar">
        <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
          <rect class="s${severity}" width="${width}" height="8" />
        </svg>
      </td>
      <td class="number">${points === 0 ? '0' : `+${points.toFixed(1)}`}</td>
    </tr>`;
  });
  const sum = all.reduce((total, part) => total + part.points, 0);
  const bounded = sum > 10 ? `: ${sum.toFixed(1)}, bounded at 10` : '';
  const folded = rows.slice(PARTS);
  return [
    html`<table class="parts">
      <caption>
        How the score is made${bounded}. Of several signs of one kind the first counts fully.
      </caption>
      <tbody>
        ${rows.slice(0, PARTS)}
      </tbody>
    </table>`,
    folded.length === 0
      ? null
      : html`<details class="more">
          <summary>${plural(folded.length, 'smaller part')}</summary>
          <table class="parts">
            <tbody>
              ${folded}
            </tbody>
          </table>
        </details>`,
  ];
}

export const ENDINGS: Readonly<Record<string, string>> = {
  completed: 'ended by itself',
  timed_out: 'ended by the time-out',
  failed: 'failed',
};

export function targetName({ target }: Report): string {
  switch (target.category) {
    case 'url':
      return target.url;
    case 'file':
      return target.file.name;
    case 'archive':
      return target.human;
  }
}

export function verdict(report: Report): Markup {
  const { info, malkoha, target } = report;
  const machine = 'name' in info.machine ? `${info.machine.name} (${info.machine.manager})` : null;
  const ending = ENDINGS[malkoha.outcome.status] ?? malkoha.outcome.status;
  return html`<header class="verdict ${TONE[malkoha.score.label]}" id="top">
      <div class="head">
        ${ring(malkoha.score)}
        <div class="title">
          <p class="label">${malkoha.score.label}</p>
          <h1>${cut(targetName(report), 160)}</h1>
          <p class="sub">${target.category === 'url' ? 'URL' : cut(target.file.type, 160)}</p>
        </div>
      </div>
      ${facts([
        ['SHA-256', target.category === 'url' ? null : html`<code class="hash">${target.file.sha256}</code>`],
        ['Task', `#${info.id}`],
        ['Run', moment(info.started)],
        ['Took', info.duration < 0 ? 'unknown' : plural(info.duration, 'second')],
        ['The run', ending],
        ['Machine', machine],
        ['Package', info.package],
        ['Network', info.route],
      ])}
      ${parts(report)}
    </header>
    ${notes(report)}`;
}

/** What a reader must know before trusting the rest. */
function notes({ malkoha }: Report): Part {
  const reason = malkoha.outcome.status === 'failed' ? [malkoha.outcome.reason ?? 'The run failed.'] : [];
  const all = [...reason, ...malkoha.notes];
  if (all.length === 0) return null;
  return html`<aside class="notes" aria-label="Limits of this report">
    <h2>Before you trust this report</h2>
    <ul>
      ${all.slice(0, 50).map((note) => html`<li>${cut(note, 500)}</li>`)}
    </ul>
  </aside>`;
}
