import type { TaskFile } from '#domain/artifacts.js';
import type { Evidence } from '#domain/report.js';

/** What Cuckoo's report never had. */
export function additions({ outcome, phases }: TaskFile, notes: readonly string[]): Evidence['malkoha'] {
  return {
    outcome: { status: outcome.status, ...(outcome.status === 'failed' ? { reason: outcome.reason } : {}) },
    phases,
    notes: [...new Set(notes)],
  };
}
