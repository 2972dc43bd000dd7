import type { Machine, MachineState } from '#domain/machine.js';

export interface Candidate {
  readonly machine: Machine;
  readonly state: MachineState;
  /** Since when it is so. */
  readonly since: Date;
}

export function isFree(state: MachineState): state is 'ready' | 'free' {
  return state === 'ready' || state === 'free';
}

/**
 * The free machine to take: one that is restored before one that is not; one that anybody may have before a reserved
 * one; one that can little before one that can much, which others may need; then the one that rested longest, so that
 * all wear alike.
 */
export function bestMachine<T extends Candidate>(candidates: readonly T[]): T | null {
  let best: T | null = null;
  for (const one of candidates) if (isFree(one.state) && (best === null || before(one, best))) best = one;
  return best;
}

function before(a: Candidate, b: Candidate): boolean {
  const [left, right] = [order(a), order(b)];
  const at = left.findIndex((value, index) => value !== right[index]);
  return at !== -1 && (left[at] ?? 0) < (right[at] ?? 0);
}

function order({ machine, state, since }: Candidate): readonly number[] {
  return [state === 'ready' ? 0 : 1, machine.reserved ? 1 : 0, machine.tags.length, since.getTime()];
}
