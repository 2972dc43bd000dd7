import type { Score } from '#domain/report.js';

/** Points, as everything in a PDF. A4 is 595 × 842. */
export const MARGIN = 46;
export const SIZE = { title: 17, heading: 12.5, text: 8.6, small: 7.2, code: 7.4 } as const;
/** Height of a line for a font size. */
export const LEADING = 1.32;

export const COLOR = {
  ink: '#1b2230',
  soft: '#5c6779',
  line: '#dfe3ea',
  code: '#f1f3f7',
  white: '#ffffff',
} as const;

export const SEVERITY_COLOR = {
  1: '#6b7a90',
  2: '#a8730b',
  3: '#c75a0a',
  4: '#c93426',
  5: '#a1123c',
} as const;

export const TONE = {
  'no sign of malice': '#23774f',
  suspicious: SEVERITY_COLOR[2],
  'likely malicious': SEVERITY_COLOR[4],
  malicious: SEVERITY_COLOR[5],
} as const satisfies Record<Score['label'], string>;

export type Font = 'sans' | 'bold' | 'mono';
