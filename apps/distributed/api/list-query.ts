import { PUBLIC_STATUSES, type PublicStatus } from '#distribution/task.js';
import { parseBool } from '#config/field.js';
import { parseCount } from '../../http/paths.js';
import { problem } from '../../http/problem.js';

/** Which tasks GET task lists. */
export interface ListQuery {
  readonly offset?: number;
  readonly limit?: number;
  readonly finished?: boolean;
  readonly status?: PublicStatus;
  readonly owner?: string;
  readonly priority?: number;
}

/** Empty text is "not given", as in a form. @throws 400 naming the parameter */
export function readListQuery(query: Readonly<Record<string, unknown>>): ListQuery {
  const text = (name: string): string | null => {
    const value = query[name];
    if (value === undefined || value === '') return null;
    if (typeof value === 'string') return value;
    throw problem(400, `"${name}" must be given once`);
  };
  const [finished, status] = [text('finished'), text('status')];
  if (finished !== null && status !== null) {
    throw problem(400, 'Do not combine finished and status. Finished has been deprecated.');
  }
  const [offset, limit, owner, priority] = [text('offset'), text('limit'), text('owner'), text('priority')];
  return {
    ...(offset !== null && { offset: count('offset', offset) }),
    ...(limit !== null && { limit: count('limit', limit) }),
    ...(finished !== null && { finished: readFinished(finished) }),
    ...(status !== null && { status: readStatus(status) }),
    ...(owner !== null && { owner: readOwner(owner) }),
    ...(priority !== null && { priority: readPriority(priority) }),
  };
}

function count(name: string, text: string): number {
  const value = parseCount(text);
  if (value === null) throw problem(400, `"${name}" must be a whole number from 0 on`);
  return value;
}

function readFinished(text: string): boolean {
  const value = parseBool(text);
  if (value === undefined) throw problem(400, '"finished" must be 0 or 1');
  return value;
}

function readStatus(text: string): PublicStatus {
  const status = PUBLIC_STATUSES.find((one) => one === text);
  if (status === undefined) throw problem(400, `"status" must be one of ${PUBLIC_STATUSES.join(', ')}`);
  return status;
}

function readOwner(text: string): string {
  if (text.includes('\0')) throw problem(400, '"owner" holds a NUL character');
  return text;
}

function readPriority(text: string): number {
  const value = /^-?\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (Math.abs(value) <= 2_147_483_647) return value;
  throw problem(400, '"priority" must be a whole number');
}
