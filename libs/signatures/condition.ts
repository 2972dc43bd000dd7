import type { Matcher } from './pattern.js';
import type { SourceName } from './sources.js';

/** What must be true of the evidence. Shapes and meaning: docs/signatures.md. */
export type Condition =
  | { readonly kind: 'any' | 'all'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'at_least'; readonly n: number; readonly of: readonly Condition[] }
  | ValuesCondition
  | CallsCondition
  | SequenceCondition;

/** At least `count` different values of one source match. */
export interface ValuesCondition {
  readonly kind: 'values';
  readonly source: SourceName;
  readonly matcher: Matcher;
  /** Only what processes with such a name did. */
  readonly process: Matcher | null;
  readonly count: number;
}

export interface CallFilter {
  readonly apis: readonly string[];
  /** By argument name (`p0`…); `any` means one of them. */
  readonly arguments: Readonly<Record<string, Matcher>>;
  /** null: either way; a list: these errno names only. */
  readonly status: 'success' | 'failure' | readonly string[] | null;
  readonly process: Matcher | null;
}

/** At least `count` such calls, in one process or in the run, within `seconds` of each other. */
export interface CallsCondition extends CallFilter {
  readonly kind: 'calls';
  readonly count: number;
  readonly seconds: number | null;
  readonly scope: Scope;
  /** Count different values of this argument instead of calls. */
  readonly distinct: string | null;
}

export type Scope = 'process' | 'run';

export interface SequenceStep extends CallFilter {
  /** variable → the argument it is read from. */
  readonly remember: Readonly<Record<string, string>>;
  /** argument → the variable it must equal. */
  readonly same: Readonly<Record<string, string>>;
}

/** The steps happen in this order, others in between allowed. */
export interface SequenceCondition {
  readonly kind: 'sequence';
  readonly steps: readonly SequenceStep[];
  readonly seconds: number | null;
  readonly scope: Scope;
}
