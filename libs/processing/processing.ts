import type { Evidence } from '#domain/report.js';
import type { AnalysisFolder } from './folder.js';

/** Says something a reader must know before trusting the report. */
export type Note = (text: string) => void;

/**
 * Turns an analysis folder into one section of the report. Only reads; never touches the guest or the database. The
 * same folder gives the same section: nothing may depend on the time, chance, or the order of a directory listing.
 */
export interface ProcessingModule<K extends keyof Evidence = keyof Evidence> {
  /** The report section it fills; no two modules share one. */
  readonly section: K;
  /** Names in the folder of which at least one must exist, else the module is skipped; empty: it always runs. */
  readonly needs: readonly string[];
  /** Undefined when there is nothing to say: the section is then absent. */
  run(folder: AnalysisFolder, note: Note, signal: AbortSignal): Promise<Evidence[K] | undefined>;
}
