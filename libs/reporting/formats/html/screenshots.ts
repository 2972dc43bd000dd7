import type { Report, Screenshot } from '#domain/report.js';
import type { Assets } from '../../format.js';
import { plural, section } from './lists.js';
import { cut, html, Markup, type Part } from './markup.js';

/** Pictures shown, and the bytes they may have together. */
const PICTURES = 8;
const BYTES = 8 * 1024 * 1024;

/** First, last and evenly between: the same choice every time. */
export function choose<T>(all: readonly T[], count: number): readonly T[] {
  if (all.length <= count) return all;
  const step = (all.length - 1) / (count - 1);
  return Array.from({ length: count }, (_, i) => all[Math.round(i * step)]).filter(
    (each) => each !== undefined,
  );
}

/** The type by the first bytes: the name is no proof. */
function mediaType(bytes: Buffer): string | null {
  if (bytes.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))) return 'image/png';
  if (bytes.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex'))) return 'image/jpeg';
  return null;
}

function figure(shot: Screenshot, number: number, bytes: Buffer, type: string): Markup {
  // Base64 and our own words only: nothing of the guest's is in these attributes.
  const source = new Markup(`data:${type};base64,${bytes.toString('base64')}`);
  const text =
    shot.ocr.trim() === ''
      ? null
      : html`<details>
          <summary>Text</summary>
          <p>${cut(shot.ocr, 2000)}</p>
        </details>`;
  return html`<figure>
    <img src="${source}" alt="Screenshot ${number}" loading="lazy" />
    <figcaption>Screenshot ${number}${text}</figcaption>
  </figure> `;
}

export async function screenshots(report: Report, assets: Assets): Promise<Part> {
  const all = report.screenshots ?? [];
  if (all.length === 0) return null;
  const figures: Markup[] = [];
  let budget = BYTES;
  for (const shot of choose(all, PICTURES)) {
    const bytes = await assets.screenshot(shot.path);
    const type = bytes === null ? null : mediaType(bytes);
    if (bytes === null || type === null || bytes.length > budget) continue;
    budget -= bytes.length;
    figures.push(figure(shot, all.indexOf(shot) + 1, bytes, type));
  }
  const left = all.length - figures.length;
  const more =
    left === 0
      ? null
      : html`<p class="rest">
          ${plural(left, 'more screenshot is', 'more screenshots are')} in the analysis folder under
          <code>shots/</code>.
        </p>`;
  return section('screenshots', 'Screenshots', all.length, [html`<div class="shots">${figures}</div>`, more]);
}
