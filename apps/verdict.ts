import type { Finding } from './finding.js';

/** What a check says; the rest of the finding is known without it. */
export type Verdict = Pick<Finding, 'status' | 'found' | 'fix'> & Partial<Pick<Finding, 'check' | 'machine'>>;

export function ok(found: string): Verdict {
  return { status: 'ok', found, fix: null };
}

export function warn(found: string, fix: string): Verdict {
  return { status: 'warn', found, fix };
}

export function fail(found: string, fix: string): Verdict {
  return { status: 'fail', found, fix };
}

export function skipped(found: string): Verdict {
  return { status: 'skipped', found, fix: null };
}
