import type { Mark, Report, SignatureMatch } from '#domain/report.js';
import { plural, rest, section } from './lists.js';
import { cut, html, type Markup, type Part } from './markup.js';

export const SEVERITY = {
  1: 'informative',
  2: 'unusual',
  3: 'suspicious',
  4: 'serious',
  5: 'malicious',
} as const;

const SIGNATURES = 200;
const ARGUMENTS = 120;

function callText({ call }: Extract<Mark, { type: 'call' }>): Part {
  const args = Object.values(call.arguments).map((argument, i) => [
    i === 0 ? '' : ', ',
    cut(argument, ARGUMENTS),
  ]);
  const status = call.status === '' ? '' : ` ${call.status}`;
  return html`<code>${call.api}(${args}) = ${cut(call.return_value, ARGUMENTS)}${status}</code>`;
}

function mark(each: Mark): Markup {
  if (each.type === 'ioc') {
    const note = each.description === null ? null : html` <small>${cut(each.description, 200)}</small>`;
    return html`<li><span class="kind">${each.category}</span> <code>${cut(each.ioc)}</code>${note}</li> `;
  }
  return html`<li>
    <span class="kind">call</span> ${callText(each)} <small>process ${each.pid}, call ${each.cid}</small>
  </li> `;
}

/** Details open by themselves when they matter most; the reader opens the rest with a key or a click. */
function signature(match: SignatureMatch): Markup {
  const techniques = Object.keys(match.ttp).map((id) => html`<span class="ttp">${id}</span>`);
  const open = match.severity >= 4 ? html` open` : null;
  return html`<details class="signature s${match.severity}" ${open}>
    <summary>
      <span class="sev s${match.severity}">${SEVERITY[match.severity]}</span>
      <span class="what">${match.description}</span>
      <span class="side">${techniques}<small>${plural(match.markcount, 'mark')}</small></span>
    </summary>
    <p class="name">
      <code>${match.name}</code>${match.families.map((family) => html` <span class="kind">${family}</span>`)}
    </p>
    <ul class="marks">
      ${match.marks.map(mark)}
    </ul>
    ${match.markcount > match.marks.length ? html`<p class="rest">${match.markcount - match.marks.length} more marks were counted, not kept.</p>` : null}
    ${match.references.map((reference) => html`<p class="name">${cut(reference)}</p>`)}
  </details> `;
}

export function signatures(report: Report): Markup {
  const strongest = [...report.signatures].reverse();
  const body =
    strongest.length === 0
      ? html`<p class="quiet">
          None matched. That is no proof of harmlessness: see how the run ended and what was traced.
        </p>`
      : [strongest.slice(0, SIGNATURES).map(signature), rest(strongest.length, SIGNATURES, 'signatures')];
  return section('signatures', 'Signatures', report.signatures.length, body);
}
