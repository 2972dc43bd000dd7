import type { Report } from '#domain/report.js';
import { section, table } from './lists.js';
import { cut, html, type Part } from './markup.js';

const PHASES = 30;
const COLOURS = 6;

function duration(milliseconds: number): string {
  return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(1)} s` : `${Math.round(milliseconds)} ms`;
}

export function phases({ malkoha }: Report): Part {
  const all = Object.entries(malkoha.phases).slice(0, PHASES);
  const total = all.reduce((sum, [, ms]) => sum + ms, 0);
  if (total <= 0) return null;
  let x = 0;
  const bars = all.map(([, ms], i) => {
    const width = (1000 * ms) / total;
    const bar = html`<rect
      x="${x.toFixed(1)}"
      y="0"
      width="${width.toFixed(1)}"
      height="20"
      class="c${i % COLOURS}"
    />`;
    x += width;
    return bar;
  });
  const rows = all.map(([name, ms], i): Part[] => [
    html`<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
        <rect width="10" height="10" class="c${i % COLOURS}" />
      </svg>
      ${cut(name.replaceAll('_', ' '), 60)}`,
    duration(ms),
    `${((100 * ms) / total).toFixed(1)} %`,
  ]);
  return section('phases', 'Where the time went', null, [
    html`<svg
      class="phases"
      viewBox="0 0 1000 20"
      preserveAspectRatio="none"
      role="img"
      aria-label="Phases of the run"
    >
      ${bars}
    </svg>`,
    table(['Phase', 'Took', 'Share'], rows),
  ]);
}
