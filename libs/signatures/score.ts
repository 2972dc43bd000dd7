import type { Score, SignatureMatch } from '#domain/report.js';
import { TECHNIQUES } from './attack.js';

/** Tenths of a point for the first match of a severity in its group. Explained in docs/signatures.md. */
const POINTS = { 1: 4, 2: 12, 3: 24, 4: 48, 5: 80 } as const satisfies Record<
  SignatureMatch['severity'],
  number
>;

/** Divisors for the second and third match in one group; later ones add nothing. All points above divide evenly. */
const DIVISORS = [1, 2, 4];

const MAX_TENTHS = 100;

/** Labels from this score (in tenths) on. */
const LABELS = [
  [70, 'malicious'],
  [40, 'likely malicious'],
  [20, 'suspicious'],
  [0, 'no sign of malice'],
] as const satisfies readonly (readonly [number, Score['label']])[];

/** Matches that say much the same are one group: the same family, else the tactic of the first technique. */
function groupOf(match: SignatureMatch): string {
  const family = match.families[0];
  if (family !== undefined) return `family ${family.toLowerCase()}`;
  const technique = Object.keys(match.ttp)[0];
  return TECHNIQUES.get(technique ?? '')?.tactic ?? `signature ${match.name}`;
}

/**
 * 0–10 and why: the points of the parts add up to the value, up to its bound. Another match never lowers it, the order
 * of the matches does not matter, and many variants of one thing do not add up to everything.
 */
export function score(matches: readonly SignatureMatch[]): Score {
  const strongestFirst = [...matches].sort(
    (a, b) => b.severity - a.severity || (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
  const seen = new Map<string, number>();
  let total = 0;
  const parts = strongestFirst.map((match) => {
    const group = groupOf(match);
    const place = seen.get(group) ?? 0;
    seen.set(group, place + 1);
    const divisor = DIVISORS[place];
    const tenths = divisor === undefined ? 0 : POINTS[match.severity] / divisor;
    total += tenths;
    return { signature: match.name, points: tenths / 10 };
  });
  const bounded = Math.min(MAX_TENTHS, total);
  const label = LABELS.find(([from]) => bounded >= from)?.[1] ?? 'no sign of malice';
  return { value: bounded / 10, label, parts };
}
