import type { FailedFilter } from '#storage/failed-tasks.js';
import type { ListPlace } from '#storage/task-details.js';
import { parseCount, parseId } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { place } from './list-query.js';
import { boolean, given, text, type Fields } from '../../http/submission.js';

/** Tasks of one request when the client does not say, and at most: each is a transaction. */
const AT_ONCE = { usual: 100, most: 500 } as const;
/** Characters of an outcome. */
const OUTCOME_LIMIT = 40;

export type RetryWanted =
  | { readonly ids: readonly number[] }
  | { readonly filter: FailedFilter; readonly limit: number; readonly after: ListPlace | null };

/** `ids`, `outcome` or `all`, of which one must be given; `limit`, `cursor`. @throws 400 naming the field */
export function readRetry(fields: Fields): RetryWanted {
  const ids = given(fields, 'ids');
  const outcome = text(fields, 'outcome', OUTCOME_LIMIT);
  const all = boolean(fields, 'all');
  if ([ids !== null, outcome !== null, all].filter(Boolean).length !== 1)
    throw problem(400, 'Say which: "ids", "outcome", or "all"');
  if (ids !== null) return { ids: readIds(ids) };
  return {
    // What somebody has cancelled was not to run.
    filter: outcome === null ? { notOutcome: 'cancelled' } : { outcome },
    limit: readLimit(given(fields, 'limit')),
    after: place(given(fields, 'cursor') ?? undefined),
  };
}

function readIds(list: string): readonly number[] {
  const ids = [...new Set(list.split(',').map((item) => item.trim()))].map((item) => {
    const id = parseId(item);
    if (id === null) throw problem(400, `"ids" must be ids of tasks separated by commas, not ${item}`);
    return id;
  });
  if (ids.length > AT_ONCE.most)
    throw problem(400, `"ids" are at most ${AT_ONCE.most}: send the rest in another`);
  return ids;
}

function readLimit(limit: string | null): number {
  if (limit === null) return AT_ONCE.usual;
  const count = parseCount(limit);
  if (count === null || count === 0) throw problem(400, '"limit" must be a whole number, 1 or more');
  return Math.min(count, AT_ONCE.most);
}
