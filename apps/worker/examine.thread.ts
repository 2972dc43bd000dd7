import { parentPort } from 'node:worker_threads';
import { reason, SandboxError } from '#domain/errors.js';
import { loadPdf } from '#reporting/formats/pdf.js';
import { loadSignatures } from '#signatures/load.js';
import { examine, type ExaminePhase, type ExamineSettings } from './examine.js';

export interface ExamineJob {
  readonly dir: string;
  readonly settings: ExamineSettings;
}

export type ExamineResult =
  | Examined
  /** As a value: an error loses its code on the way between threads. */
  | { readonly failed: 'REPORTING_FAILED'; readonly why: string };

interface Examined {
  readonly score: number;
  readonly signatures: readonly string[];
  /** What could not be done, one sentence each. */
  readonly failures: readonly string[];
  /** Milliseconds of each phase, for the log and the metrics. */
  readonly phases: Readonly<Record<ExaminePhase, number>>;
}

const signatures = await loadSignatures();
// Takes longer than a report; the first sample is still running. Should it fail, the first report says so.
await loadPdf().catch(() => undefined);

/** Of the thread, not of a job: a thread examines many. */
const ended = new AbortController();
parentPort?.once('close', () => ended.abort());

/**
 * Runs in a worker thread: parsing a large log must not hold up the network stacks of running guests. A thread that
 * hangs or grows beyond its memory limit is ended from outside.
 */
export default async function examineInThread({ dir, settings }: ExamineJob): Promise<ExamineResult> {
  const failures: string[] = [];
  const onFailure = (part: string, error: unknown): void => void failures.push(`${part}: ${reason(error)}`);
  const phases = { processing: 0, signatures: 0, reporting: 0 };
  const onPhase = (phase: ExaminePhase, ms: number): void => void (phases[phase] = ms);
  try {
    const report = await examine(dir, { signatures, settings, onFailure, onPhase }, ended.signal);
    const names = report.signatures.map(({ name }) => name);
    return { score: report.info.score, signatures: names, failures, phases };
  } catch (error) {
    if (!(error instanceof SandboxError && error.code === 'REPORTING_FAILED')) throw error;
    return { failed: 'REPORTING_FAILED', why: reason(error) };
  }
}
