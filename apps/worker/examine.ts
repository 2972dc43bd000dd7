import { join } from 'node:path';
import type { ProcessingSettings } from '#config/processing-conf.js';
import type { ReportingSettings } from '#config/reporting-conf.js';
import { ARTIFACTS } from '#domain/artifacts.js';
import { SandboxError } from '#domain/errors.js';
import type { Report } from '#domain/report.js';
import { examineFolder } from '#processing/run.js';
import { folderAssets } from '#reporting/assets.js';
import { writeAllReports } from '#reporting/write.js';
import { matchSignatures } from '#signatures/engine.js';
import { score } from '#signatures/score.js';
import type { Signature } from '#signatures/signature.js';

export interface Examination {
  readonly signatures: readonly Signature[];
  /**
   * A section, a signature or an extra format that failed costs itself only; the report says so in its notes, but of
   * formats, which are made when it is written.
   */
  readonly onFailure: (part: string, error: unknown) => void;
  /** What processing.conf and reporting.conf say; else as by default. */
  readonly settings?: ExamineSettings | undefined;
  /** Hears how long each phase took. Not in the report: made again, it must have the same bytes. */
  readonly onPhase?: (phase: ExaminePhase, ms: number) => void;
}

/** Plain data: it goes to threads. */
export interface ExamineSettings {
  readonly processing: ProcessingSettings;
  readonly reporting: ReportingSettings;
}

export type ExaminePhase = 'processing' | 'signatures' | 'reporting';

/**
 * Stored artefacts in, report out. Needs no machine, so it can be run again at any time and gives the same bytes.
 *
 * @throws REPORTING_FAILED when there is a report and it could not be written
 */
export async function examine(dir: string, by: Examination, signal: AbortSignal): Promise<Report> {
  let last = performance.now();
  const ended = (phase: ExaminePhase): void => {
    const now = performance.now();
    by.onPhase?.(phase, now - last);
    last = now;
  };
  const { onFailure, settings } = by;
  const off = settings?.processing.off ?? [];
  const evidence = await examineFolder({ dir }, { onFailure, off }, signal);
  ended('processing');

  const signatures = matchSignatures(evidence, by.signatures, onFailure);
  const verdict = score(signatures);
  const report: Report = {
    ...evidence,
    info: { ...evidence.info, score: verdict.value },
    signatures,
    malkoha: { ...evidence.malkoha, score: verdict },
  };

  ended('signatures');

  const json = settings && { json: settings.reporting };
  const to = { dir: join(dir, ARTIFACTS.reports), onFailure, ...json };
  try {
    await writeAllReports(report, to, folderAssets(dir), signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new SandboxError('REPORTING_FAILED', `the report was not written into ${to.dir}`, { cause });
  }
  ended('reporting');
  return report;
}
