/** The page and the documents hold what guests said. They bring no scripts, and could not run one if they did. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
const DOCUMENT_POLICY = "default-src 'none'; sandbox";

export interface ReportType {
  /** Media type. */
  readonly type: string;
  /** Content-Security-Policy, for what a browser shows. */
  readonly policy?: string;
}

/** By the name of the report's format. */
export const REPORT_TYPES = {
  json: { type: 'application/json' },
  html: { type: 'text/html; charset=utf-8', policy: PAGE_POLICY },
  maec: { type: 'application/xml', policy: DOCUMENT_POLICY },
  maec5: { type: 'application/json' },
  metadata: { type: 'application/xml', policy: DOCUMENT_POLICY },
  pdf: { type: 'application/pdf' },
} as const satisfies Record<string, ReportType>;

export const ARCHIVE_TYPE = 'application/x-tar; charset=UTF-8';
