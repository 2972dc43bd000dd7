import type { CallFilter, Condition, Scope, SequenceStep } from './condition.js';
import { parsePattern, PATTERN_KINDS, type Matcher, type Pattern } from './pattern.js';
import { PatternSet } from './regex/set.js';
import { below, problem, quoted, record, type Where } from './rule-error.js';
import { isSummarySource, SOURCES, type SourceName } from './sources.js';

const GROUPS = ['any', 'all', 'not', 'at_least'] as const;
const SOURCE_NAMES = Object.keys(SOURCES) as SourceName[];
const KINDS = [...GROUPS, 'call', 'sequence', ...SOURCE_NAMES];
const MODIFIERS = ['process', 'count'];
const FILTER = ['api', 'arguments', 'status', 'process'];
const CALL = [...FILTER, 'count', 'seconds', 'scope', 'distinct'];
const STEP = [...FILTER, 'remember', 'same'];
const SEQUENCE = ['steps', 'seconds', 'scope'];

function list(value: unknown, where: Where): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0)
    return problem(where, `must be a list, not ${quoted(value)}`);
  return value;
}

function texts(value: unknown, where: Where): readonly string[] {
  return (Array.isArray(value) ? list(value, where) : [value]).map((text) =>
    typeof text === 'string' && text !== ''
      ? text
      : problem(where, `must be a text or a list of texts, not ${quoted(text)}`),
  );
}

function number(value: unknown, where: Where, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  return problem(where, `must be a number above 0, not ${quoted(value)}`);
}

function whole(value: unknown, where: Where): number {
  const count = number(value, where, 1);
  return Number.isInteger(count) ? count : problem(where, `must be a whole number, not ${quoted(value)}`);
}

function pattern(kind: Pattern['kind'], text: string, where: Where): Pattern {
  const result = { kind, text };
  try {
    const set = new PatternSet([parsePattern(result)]);
    if (set.matches('', 1).length > 0)
      problem(where, `matches an empty text, so it would match anything: ${quoted(text)}`);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError)
      return problem(where, `is refused: ${error.message}`);
    throw error;
  }
  return result;
}

function patterns(value: Readonly<Record<string, unknown>>, where: Where): readonly Pattern[] {
  return PATTERN_KINDS.flatMap((kind) =>
    value[kind] === undefined
      ? []
      : texts(value[kind], below(where, kind)).map((text) => pattern(kind, text, below(where, kind))),
  );
}

/** A text, a list of texts (all literal), or a mapping of pattern kinds. */
function matcher(value: unknown, where: Where): Matcher {
  if (typeof value === 'string' || Array.isArray(value)) {
    return { patterns: texts(value, where).map((text) => pattern('literal', text, where)), except: [] };
  }
  const raw = record(value, where, [...PATTERN_KINDS, 'except']);
  const wanted = patterns(raw, where);
  if (wanted.length === 0) problem(where, `must give at least one of ${PATTERN_KINDS.join(', ')}`);
  const except = raw['except'] === undefined ? [] : matcher(raw['except'], below(where, 'except')).patterns;
  return { patterns: wanted, except };
}

function status(value: unknown, where: Where): CallFilter['status'] {
  if (value === undefined) return null;
  if (value === 'success' || value === 'failure') return value;
  const names = texts(value, where);
  const wrong = names.find((name) => !/^E[A-Z0-9]+$/.test(name));
  return wrong === undefined
    ? names
    : problem(where, `must be success, failure or errno names, not ${quoted(wrong)}`, wrong, [
        'success',
        'failure',
      ]);
}

function scope(value: unknown, where: Where, fallback: Scope): Scope {
  if (value === undefined) return fallback;
  if (value === 'process' || value === 'run') return value;
  return problem(where, `must be process or run, not ${quoted(value)}`);
}

function argument(name: unknown, where: Where, others: readonly string[] = []): string {
  if (typeof name === 'string' && (/^p\d$/.test(name) || others.includes(name))) return name;
  return problem(where, `must name an argument (${['p0…p9', ...others].join(', ')}), not ${quoted(name)}`);
}

function filter(raw: Readonly<Record<string, unknown>>, where: Where): CallFilter {
  const values = (raw['arguments'] ?? {}) as Record<string, unknown>;
  const at = below(where, 'arguments');
  return {
    apis: texts(raw['api'], below(where, 'api')),
    arguments: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        argument(name, at, ['any']),
        matcher(value, below(at, name)),
      ]),
    ),
    status: status(raw['status'], below(where, 'status')),
    process: raw['process'] === undefined ? null : matcher(raw['process'], below(where, 'process')),
  };
}

function step(value: unknown, where: Where): SequenceStep {
  const raw = record(value, where, STEP);
  const remember = Object.entries((raw['remember'] ?? {}) as Record<string, unknown>);
  const same = Object.entries((raw['same'] ?? {}) as Record<string, unknown>);
  return {
    ...filter(raw, where),
    remember: Object.fromEntries(
      remember.map(([name, from]) => [name, argument(from, below(where, 'remember'))]),
    ),
    same: Object.fromEntries(same.map(([name, to]) => [argument(name, below(where, 'same')), String(to)])),
  };
}

function sequence(value: unknown, where: Where): Condition {
  const raw = record(value, where, SEQUENCE);
  const at = below(where, 'steps');
  const steps = list(raw['steps'], at).map((each, i) => step(each, { ...at, path: `${at.path}[${i}]` }));
  if (steps.length < 2) problem(at, 'must have at least two steps');
  const known = new Set<string>();
  for (const { same, remember } of steps) {
    for (const name of Object.values(same)) {
      if (!known.has(name)) problem(at, `uses "${name}" before a step remembers it`, name, [...known]);
    }
    Object.keys(remember).forEach((name) => known.add(name));
  }
  return {
    kind: 'sequence',
    steps,
    seconds: raw['seconds'] === undefined ? null : number(raw['seconds'], below(where, 'seconds'), 0),
    scope: scope(raw['scope'], below(where, 'scope'), 'process'),
  };
}

function calls(value: unknown, where: Where): Condition {
  const raw = record(value, where, CALL);
  return {
    kind: 'calls',
    ...filter(raw, where),
    count: whole(raw['count'], below(where, 'count')),
    seconds: raw['seconds'] === undefined ? null : number(raw['seconds'], below(where, 'seconds'), 0),
    scope: scope(raw['scope'], below(where, 'scope'), 'run'),
    distinct: raw['distinct'] === undefined ? null : argument(raw['distinct'], below(where, 'distinct')),
  };
}

function conditions(value: unknown, where: Where): readonly Condition[] {
  return list(value, where).map((each, i) => parseCondition(each, { ...where, path: `${where.path}[${i}]` }));
}

/** @throws RuleError */
export function parseCondition(value: unknown, where: Where): Condition {
  const raw = record(value, where, [...KINDS, ...MODIFIERS, 'of']);
  const [kind, second] = Object.keys(raw).filter((key) => KINDS.includes(key));
  if (kind === undefined) return problem(where, `must have one of ${KINDS.join(', ')}`);
  if (second !== undefined) problem(where, `has both "${kind}" and "${second}": join them with any: or all:`);
  const only = (...accepted: string[]): void => void record(raw, where, [kind, ...accepted]);
  const at = below(where, kind);

  if (kind === 'any' || kind === 'all') {
    only();
    return { kind, of: conditions(raw[kind], at) };
  }
  if (kind === 'not') {
    only();
    return { kind, of: parseCondition(raw[kind], at) };
  }
  if (kind === 'at_least') {
    only('of');
    const of = conditions(raw['of'], below(where, 'of'));
    const n = whole(raw[kind], at);
    return n <= of.length ? { kind, n, of } : problem(at, `asks for ${n} of ${of.length} conditions`);
  }
  if (kind === 'call' || kind === 'sequence') {
    only();
    return kind === 'call' ? calls(raw[kind], at) : sequence(raw[kind], at);
  }
  const source = kind as SourceName;
  only(...(isSummarySource(source) ? MODIFIERS : ['count']));
  return {
    kind: 'values',
    source,
    matcher: matcher(raw[source], at),
    process: raw['process'] === undefined ? null : matcher(raw['process'], below(where, 'process')),
    count: whole(raw['count'], below(where, 'count')),
  };
}
