import { cut, html, type Markup, type Part } from './markup.js';

/** Rows of a table or list; the rest is in report.json. */
export const ROWS = 200;

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** Says what was left out, nothing when nothing was. */
export function rest(total: number, shown: number, where: string): Part {
  if (total <= shown) return null;
  return html`<p class="rest">${total - shown} more are in report.json under <code>${where}</code>.</p>`;
}

export function table(headings: readonly string[], rows: readonly (readonly Part[])[]): Markup {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${headings.map((each) => html`<th scope="col">${each}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

export function section(id: string, title: string, count: number | null, body: Part): Markup {
  const badge = count === null ? null : html` <span class="count">${count}</span>`;
  return html`<section id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}${badge}</h2>
    ${body}
  </section> `;
}

export function facts(rows: readonly (readonly [string, Part])[]): Markup {
  const shown = rows.filter(([, value]) => value !== null && value !== '');
  return html`<dl class="facts">
    ${shown.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

export function bytes(size: number): string {
  if (size < 1024) return plural(size, 'byte');
  const units = ['KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length, Math.floor(Math.log2(size) / 10));
  return `${(size / 1024 ** power).toFixed(1)} ${units[power - 1] ?? ''}`;
}

/** `YYYY-MM-DD HH:MM:SS UTC`; a text for readers, in no one's local time. */
export function moment(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime())
    ? 'unknown'
    : `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** Seconds after the first packet or process. */
export function after(seconds: number): Part {
  return html`<span class="nowrap">+${Math.max(0, seconds).toFixed(1)} s</span>`;
}

export function origin({ pid, process_name: name }: { pid?: number; process_name?: string }): Part {
  return pid === undefined
    ? null
    : html`<span class="nowrap">${cut(name ?? '?', 32)} <small>${pid}</small></span>`;
}
