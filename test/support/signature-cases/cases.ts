import type { BehaviorSummary } from '#domain/report.js';
import type { EvidenceSketch, ProcessSketch } from '../evidence.js';

/** Near misses are what a rule that looks too loosely would take for a hit. */
export interface Cases {
  readonly hits: readonly EvidenceSketch[];
  readonly misses: readonly EvidenceSketch[];
}

export const does = (summary: Partial<BehaviorSummary>, more: ProcessSketch = {}): EvidenceSketch => ({
  processes: [{ name: 'sh', ...more, summary }],
});
export const runs = (...commands: string[]): EvidenceSketch => ({
  processes: commands.map((command) => ({ command })),
});
export const calls = (...list: ProcessSketch['calls'] & object): EvidenceSketch => ({
  processes: [{ calls: list }],
});
export const each = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));
