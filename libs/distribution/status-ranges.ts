import { DIST_STATES, publicStatus, type DistState, type PublicStatus } from './task.js';

/**
 * What the index on (state, pinned, id) has in a row, in the order of the ids: a status, or several states, are some of
 * these ranges. Those on owner and priority go on in the same way.
 */
export interface Range {
  readonly state: DistState;
  readonly pinned: boolean;
}

export const EVERY_RANGE: readonly Range[] = DIST_STATES.flatMap((state) => [
  { state, pinned: false },
  { state, pinned: true },
]);

export function rangesOfStates(states: readonly DistState[]): readonly Range[] {
  return EVERY_RANGE.filter(({ state }) => states.includes(state));
}

export function rangesOfStatuses(statuses: readonly PublicStatus[]): readonly Range[] {
  return EVERY_RANGE.filter(({ state, pinned }) => statuses.includes(publicStatus(state, pinned)));
}

/**
 * The SQL of the ids in `ranges`, smallest first. A limit for each range: the database reads no more of it, however
 * long it is. `where` is SQL for all of them.
 */
export function idsInRanges(
  ranges: readonly Range[],
  where: string,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): string {
  const parts = ranges.map(
    ({ state, pinned }) =>
      `SELECT id FROM (SELECT id FROM dist_tasks WHERE state = '${state}' AND pinned = ${pinned} AND ${where}
       ORDER BY id LIMIT ${limit + offset}) AS part`,
  );
  return `SELECT id FROM (${parts.join(' UNION ALL ')}) AS found ORDER BY id LIMIT ${limit} OFFSET ${offset}`;
}
