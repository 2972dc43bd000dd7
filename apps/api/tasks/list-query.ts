import { TASK_STATUSES } from '#domain/task.js';
import type { ListPlace, TaskFilter } from '#storage/task-details.js';
import { parseCount } from '../../http/paths.js';
import { problem } from '../../http/problem.js';
import { parseCursor } from './cursor.js';

export interface ListQuery {
  /** Null: nothing can match. */
  readonly filter: TaskFilter | null;
  readonly idsOnly: boolean;
  readonly page: { readonly limit?: number; readonly offset?: number };
  /** Only with `?cursor=`: one page after that place; null is the first. */
  readonly after?: ListPlace | null;
}

/** Unix seconds of the last instant that a JavaScript date can name. */
const LAST_SECOND = 8_640_000_000_000;

/**
 * `?status=`, `?owner=`, `?completed_after=<unix seconds>`, `?ids=`, `?limit=`, and `?offset=` or `?cursor=`.
 *
 * @throws 400 naming the parameter
 */
export function readListQuery(query: Readonly<Record<string, unknown>>): ListQuery {
  const status = one(query, 'status');
  const owner = one(query, 'owner');
  const completedAfter = one(query, 'completed_after');
  const filter = {
    ...(status !== undefined && { status }),
    ...(owner !== undefined && { owner }),
    ...(completedAfter !== undefined && { completedAfter: fromUnix('completed_after', completedAfter) }),
  };
  const possible = status === undefined || TASK_STATUSES.some((known) => known === status);
  return {
    filter: possible ? filter : null,
    idsOnly: one(query, 'ids') !== undefined,
    ...readPage(query),
  };
}

function readPage(query: Readonly<Record<string, unknown>>): Pick<ListQuery, 'page' | 'after'> {
  const limit = whole(query, 'limit');
  const offset = whole(query, 'offset');
  if (query['cursor'] === undefined) {
    return { page: { ...(limit !== undefined && { limit }), ...(offset !== undefined && { offset }) } };
  }
  const after = place(one(query, 'cursor'));
  if (offset !== undefined) throw problem(400, 'Give "cursor" or "offset", not both');
  return { after, page: limit === undefined ? {} : { limit } };
}

/** Where a page begins; null: with the first. @throws 400 */
export function place(cursor: string | undefined): ListPlace | null {
  const after = cursor === undefined ? null : parseCursor(cursor);
  if (cursor !== undefined && after === null)
    throw problem(400, '"cursor" must be a next_cursor of an earlier answer, or empty for the first page');
  return after;
}

export function whole(query: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const text = one(query, name);
  if (text === undefined) return undefined;
  const value = parseCount(text);
  if (value === null) throw problem(400, `"${name}" must be a whole number, 0 or more`);
  return value;
}

/** Of a parameter given twice the first counts; given empty, it is not given. */
export function one(query: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const given = query[name];
  const value: unknown = Array.isArray(given) ? given[0] : given;
  if (typeof value !== 'string' || value === '') return undefined;
  if (value.includes('\0')) throw problem(400, `"${name}" holds a NUL character`);
  return value;
}

export function fromUnix(name: string, text: string): Date {
  const seconds = /^-?\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  if (!(Math.abs(seconds) <= LAST_SECOND)) throw problem(400, `"${name}" must be Unix seconds`);
  return new Date(seconds * 1000);
}
