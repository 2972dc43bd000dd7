import { SandboxError } from '#domain/errors.js';
import { nearest } from './nearest.js';

/** A place in a rule file. */
export interface Where {
  readonly file: string;
  readonly rule: string;
  /** Dotted, e.g. `when.any[2].file_written.glob`. */
  readonly path: string;
}

export class RuleError extends SandboxError {
  override readonly name = 'RuleError';

  constructor(where: Where, what: string) {
    const rule = where.rule === '' ? '' : ` rule "${where.rule}":`;
    super('CONFIG_INVALID', `${where.file}:${rule} ${where.path === '' ? 'the rule' : where.path} ${what}`);
  }
}

/** @throws RuleError always; names the nearest of `known` when `word` looks like one of them */
export function problem(where: Where, what: string, word?: string, known: readonly string[] = []): never {
  const meant = word === undefined ? null : nearest(word, known);
  throw new RuleError(where, meant === null ? what : `${what}; did you mean "${meant}"?`);
}

export function quoted(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 80);
}

export function below(where: Where, key: string): Where {
  return { ...where, path: where.path === '' ? key : `${where.path}.${key}` };
}

/** A mapping with no other keys than `known`. */
export function record(
  value: unknown,
  where: Where,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return problem(where, `must be a mapping with ${known.join(', ')}, not ${quoted(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      problem(where, `has an unknown key "${key}"; accepted: ${known.join(', ')}`, key, known);
    }
  }
  return value as Readonly<Record<string, unknown>>;
}
