import { TASK_STATUSES } from '#domain/task.js';
import type { TaskFilter } from '#storage/task-details.js';
import { problem } from '../problem.js';

export interface ListQuery {
  /** Null: nothing can match. */
  readonly filter: TaskFilter | null;
  readonly idsOnly: boolean;
}

/** Unix seconds of the last instant that a JavaScript date can name. */
const LAST_SECOND = 8_640_000_000_000;

/**
 * `?status=`, `?owner=`, `?completed_after=<unix seconds>`, `?ids=`.
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
    ...(completedAfter !== undefined && { completedAfter: fromUnix(completedAfter) }),
  };
  const possible = status === undefined || TASK_STATUSES.some((known) => known === status);
  return { filter: possible ? filter : null, idsOnly: one(query, 'ids') !== undefined };
}

/** Of a parameter given twice the first counts; given empty, it is not given. */
function one(query: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const given = query[name];
  const value: unknown = Array.isArray(given) ? given[0] : given;
  if (typeof value !== 'string' || value === '') return undefined;
  if (value.includes('\0')) throw problem(400, `"${name}" holds a NUL character`);
  return value;
}

function fromUnix(text: string): Date {
  const seconds = /^-?\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  if (!(Math.abs(seconds) <= LAST_SECOND)) throw problem(400, '"completed_after" must be Unix seconds');
  return new Date(seconds * 1000);
}
