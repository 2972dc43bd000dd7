import type { Findings } from '#config/findings.js';
import { told, type Finding } from '#config/findings.js';
import { print } from '../print.js';
import { styles, visible } from '../text.js';

/** Problems, then notes, one a line with `file:line`, and a sentence that counts them. */
export function showFindings({ problems, notes }: Findings): void {
  const style = styles();
  const line = (finding: Finding) => visible(told(finding));
  for (const problem of problems) print(`${style.red('problem')} ${line(problem)}`);
  for (const note of notes) print(`${style.yellow('note')}    ${line(note)}`);
}

/** `1 problem, 2 notes` */
export function counted({ problems, notes }: Findings): string {
  const many = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
  return `${many(problems.length, 'problem')}, ${many(notes.length, 'note')}`;
}

export function findingsJson({ problems, notes }: Findings) {
  const row = ({ file, line, text }: Finding) => ({ file, line: line ?? null, text });
  return { ok: problems.length === 0, problems: problems.map(row), notes: notes.map(row) };
}
