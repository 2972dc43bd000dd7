import type { Report } from '#domain/report.js';

/** Files beside the report that a format may want to show. */
export interface Assets {
  /** The bytes of one of `report.screenshots`, null when there is no such picture or it is too large. */
  screenshot(path: string): Promise<Buffer | null>;
}

/** A string is written as UTF-8. */
export type Piece = string | Uint8Array;

export interface ReportFormat {
  /** The file is `report.<extension>`. */
  readonly extension: string;
  /** Text or bytes in pieces, so that no report is ever one string. The same report and assets give the same bytes. */
  render(report: Report, assets: Assets): Iterable<Piece> | AsyncIterable<Piece>;
}
