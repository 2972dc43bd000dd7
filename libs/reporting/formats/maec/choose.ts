import type { Call, Process, Report } from '#domain/report.js';

/** Calls of one process and of all that are listed; report.json has more of them. */
const PER_PROCESS = 500;
const TOTAL = 5000;

export interface ChosenCall {
  readonly process: Process;
  /** Index in `process.calls`, as in the marks of signatures. */
  readonly cid: number;
  readonly call: Call;
}

export interface ChosenCalls {
  readonly calls: readonly ChosenCall[];
  /** Says what was left out; null when nothing was. */
  readonly note: string | null;
}

export const callKey = (procid: number, cid: number): string => `${procid}/${cid}`;

/** The first calls of each process, and those a signature points to wherever they are. */
export function chooseCalls({ behavior, signatures }: Report): ChosenCalls {
  const marks = signatures.flatMap((match) => match.marks);
  const marked = new Set(
    marks.flatMap((mark) => (mark.type === 'call' ? [callKey(mark.procid, mark.cid)] : [])),
  );
  const calls: ChosenCall[] = [];
  let ordinary = 0;
  let total = 0;
  for (const process of behavior?.processes ?? []) {
    total += process.calls.length;
    process.calls.forEach((call, cid) => {
      const proof = marked.has(callKey(process.procid, cid));
      const early = cid < PER_PROCESS && ordinary < TOTAL;
      if (!proof && !early) return;
      if (!proof) ordinary++;
      calls.push({ process, cid, call });
    });
  }
  const left = total - calls.length;
  return { calls, note: left === 0 ? null : omitted(left, 'traced calls') };
}

export const omitted = (count: number, what: string): string =>
  `${count} more ${what} are in report.json and not here.`;

/** The first of a list; `notes` gets a sentence when there were more. */
export function first<T>(all: readonly T[], limit: number, what: string, notes: string[]): readonly T[] {
  if (all.length > limit) notes.push(omitted(all.length - limit, what));
  return all.slice(0, limit);
}
