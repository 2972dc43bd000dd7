import { parseBool } from '#config/field.js';
import { formatOptions, parseOptions, type Submission } from '#domain/task.js';
import { parseClock } from './dates.js';
import { problem } from './problem.js';

export type Fields = ReadonlyMap<string, string>;

/** Characters of the short fields (machine, package …) and of the long ones (options, custom). */
const SHORT = 255;
const LONG = 65_536;
/** Characters of a URL. */
export const URL_LIMIT = 8192;
/** PostgreSQL's and SQLite's integer column. */
const INT_MAX = 2_147_483_647;

/**
 * What the form asks for. Empty text and `None` mean "not given": forms and old clients send both.
 *
 * @throws 400 naming the field
 */
export function readSubmission(
  fields: Fields,
  { category, target, submitter }: Pick<Submission, 'category' | 'target' | 'submitter'>,
): Submission {
  return {
    category,
    target,
    package: word(fields, 'package'),
    timeout: integer(fields, 'timeout', { fallback: 0, min: 0 }),
    priority: integer(fields, 'priority', { fallback: 1, min: -INT_MAX }),
    custom: text(fields, 'custom', LONG),
    owner: word(fields, 'owner'),
    machine: word(fields, 'machine'),
    platform: word(fields, 'platform'),
    arch: word(fields, 'arch'),
    tags: splitTags(word(fields, 'tags', LONG)),
    options: formatOptions(parseOptions(word(fields, 'options', LONG))),
    memory: boolean(fields, 'memory'),
    enforceTimeout: boolean(fields, 'enforce_timeout'),
    clock: parseClock(given(fields, 'clock') ?? ''),
    submitter,
  };
}

/** @throws 400, 413 */
export function readUrl(fields: Fields): string {
  const url = (fields.get('url') ?? '').trim();
  if (url === '') throw problem(400, 'The URL is missing: send it as the form field "url"');
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(url)) throw problem(400, '"url" holds a control character');
  if (url.length > URL_LIMIT) throw problem(413, `"url" is longer than ${URL_LIMIT} characters`);
  return url;
}

/** @throws 400 */
export function boolean(fields: Fields, name: string): boolean {
  const value = given(fields, name);
  if (value === null) return false;
  const parsed = parseBool(value) ?? (/^[+-]?\d{1,20}$/.test(value) ? Number(value) !== 0 : undefined);
  if (parsed === undefined) throw problem(400, `"${name}" must be true or false`);
  return parsed;
}

/** What a field says, null when nothing. */
export function given(fields: Fields, name: string): string | null {
  const value = fields.get(name)?.trim();
  return value === undefined || value === '' || value === 'None' ? null : value;
}

/** Free text: anything but NUL, which PostgreSQL cannot store. */
export function text(fields: Fields, name: string, limit: number): string | null {
  const value = given(fields, name);
  if (value === null) return null;
  if (value.length > limit) throw problem(400, `"${name}" is longer than ${limit} characters`);
  if (value.includes('\0')) throw problem(400, `"${name}" holds a NUL character`);
  return value;
}

/** One line: a line break in a value that reaches the guest's configuration would add keys there. */
function word(fields: Fields, name: string, limit = SHORT): string | null {
  const value = text(fields, name, limit);
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (value !== null && /[\u0000-\u001f\u007f]/.test(value)) {
    throw problem(400, `"${name}" holds a control character`);
  }
  return value;
}

function integer(fields: Fields, name: string, { fallback, min }: { fallback: number; min: number }): number {
  const value = given(fields, name);
  if (value === null) return fallback;
  const parsed = /^[+-]?\d{1,20}$/.test(value) ? Number(value) : NaN;
  if (!(parsed >= min && parsed <= INT_MAX)) {
    throw problem(400, `"${name}" must be a whole number from ${min} to ${INT_MAX}`);
  }
  return parsed;
}

function splitTags(tags: string | null): readonly string[] {
  const names = (tags ?? '').split(',').map((tag) => tag.trim());
  const unique = [...new Set(names.filter((name) => name !== ''))];
  if (unique.length > 100 || unique.some((name) => name.length > SHORT)) {
    throw problem(400, `"tags" are at most 100, each at most ${SHORT} characters`);
  }
  return unique;
}
