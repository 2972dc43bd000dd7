import { SandboxError } from '#domain/errors.js';

/** Where something was written; without a line the whole file is meant. */
export interface Place {
  readonly file: string;
  /** Counts from 1. */
  readonly line?: number;
  /** In the defaults that another sandbox ships: nobody here chose them, so nothing is noted about them. */
  readonly shipped?: boolean;
}

export interface Finding extends Pick<Place, 'file' | 'line'> {
  readonly text: string;
}

/** What reading .conf files found: problems stop the start, notes do not. Reading goes on, so that all are told at once. */
export class Findings {
  readonly problems: Finding[] = [];
  readonly notes: Finding[] = [];

  problem({ file, line }: Place, text: string): void {
    this.problems.push({ file, ...(line !== undefined && { line }), text });
  }

  note({ file, line, shipped }: Place, text: string): void {
    if (shipped === true) return;
    this.notes.push({ file, ...(line !== undefined && { line }), text });
  }

  /** @throws CONFIG_INVALID with the first problem, and how many more there are */
  throwProblems(): void {
    const [first, ...more] = this.problems;
    if (first === undefined) return;
    const rest = more.length === 0 ? '' : ` (and ${more.length} more: \`malkoha config check\` tells all)`;
    throw new SandboxError('CONFIG_INVALID', `${told(first)}${rest}`);
  }
}

/** `file:line: text` */
export function told({ file, line, text }: Finding): string {
  return `${file}${line === undefined ? '' : `:${line}`}: ${text}`;
}
