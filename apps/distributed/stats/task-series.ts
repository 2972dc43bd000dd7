import type { Counts, Grain, History } from '#distribution/history.js';
import type { CellCache } from './cell-cache.js';
import { endOf, MINUTE_MS, startOf, type Cell } from './periods.js';

/** Tasks that ended in each of the cells, which are of one size and in order. */
export async function completedIn(
  history: History,
  cache: CellCache,
  cells: readonly Cell[],
  now: Date,
): Promise<readonly number[]> {
  return cache.values('completed', cells, now, async (missing) => {
    const { span, grain } = rangeOf(missing);
    const counts = sumsOf(await history.completed(span, grain), missing);
    return missing.map(({ number }) => counts.get(number) ?? 0);
  });
}

/** Tasks that had not ended at the end of each of the cells, or now when that is yet to come. */
export async function uncompletedAt(
  history: History,
  cache: CellCache,
  cells: readonly Cell[],
  now: Date,
): Promise<readonly number[]> {
  return cache.values('uncompleted', cells, now, async (missing) => {
    const { span, grain } = rangeOf(missing);
    const submitted = sumsOf(await history.submitted(span, grain), missing);
    const completed = sumsOf(await history.completed(span, grain), missing);
    const values = new Map<number, number>();
    // Counted at the last end only, and from there back in time.
    let open = await history.uncompletedAt(span.until);
    const [first, last] = [missing[0], missing.at(-1)];
    for (let at = last?.number ?? 0; first !== undefined && at >= first.number; at -= 1) {
      values.set(at, Math.max(0, open));
      open += (completed.get(at) ?? 0) - (submitted.get(at) ?? 0);
    }
    return missing.map(({ number }) => values.get(number) ?? 0);
  });
}

function rangeOf(cells: readonly Cell[]): { span: { since: Date; until: Date }; grain: Grain } {
  const [first, last] = [cells[0], cells.at(-1)];
  if (first === undefined || last === undefined) throw new Error('there are no cells to ask for');
  return {
    span: { since: startOf(first), until: endOf(last) },
    grain: first.step % 60 === 0 ? 'hour' : 'minute',
  };
}

/** By the number of the cell; `cells` are of one size. */
function sumsOf(counts: Counts, cells: readonly Cell[]): Counts {
  const cellMs = (cells[0]?.step ?? 1) * MINUTE_MS;
  const sums = new Map<number, number>();
  for (const [start, n] of counts) {
    const number = Math.floor(start / cellMs) + 1;
    sums.set(number, (sums.get(number) ?? 0) + n);
  }
  return sums;
}
