import type { Report } from '#domain/report.js';

/** Files beside the report that a format may want to show. */
export interface Assets {
  /** The bytes of one of `report.screenshots`, null when there is no such picture or it is too large. */
  screenshot(path: string): Promise<Buffer | null>;
}

export interface ReportFormat {
  /** The file is `report.<extension>`. */
  readonly extension: string;
  /** Text in pieces, so that no report is ever one string. The same report and assets give the same bytes. */
  render(report: Report, assets: Assets): Iterable<string> | AsyncIterable<string>;
}
