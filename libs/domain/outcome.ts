import type { ErrorCode } from './errors.js';

/**
 * How a run ended, more exactly than Cuckoo's statuses say it. Kept with the task, counted in the metrics; of a status
 * that clients know there may be many:
 *
 * - `completed`, `timed_out` → completed, then reported
 * - `processing_failed` → failed_processing, `reporting_failed` → failed_reporting
 * - any other → failed_analysis, or pending again while attempts are left
 */
export type OutcomeCode =
  'completed' | 'timed_out' | 'vm_start_failed' | 'vm_stop_failed' | Lowercase<ErrorCode>;

/** The outcome of a run that ended with this error. */
export function outcomeOf(code: ErrorCode): OutcomeCode {
  if (code === 'MACHINE_START_FAILED') return 'vm_start_failed';
  if (code === 'MACHINE_STOP_FAILED') return 'vm_stop_failed';
  // To who counts outcomes the task had no route, whoever's fault it was.
  if (code === 'ROOTER_AWAY' || code === 'ROUTE_FAILED') return 'route_unavailable';
  return code.toLowerCase() as Lowercase<ErrorCode>;
}
