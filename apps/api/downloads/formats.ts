import { ARTIFACTS } from '#domain/artifacts.js';

/** The page and the documents hold what guests said. They bring no scripts, and could not run one if they did. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
const DOCUMENT_POLICY = "default-src 'none'; sandbox";

/** `GET /tasks/report/<id>/<format>`: a file of reports/. */
export interface ReportFormat {
  readonly file: string;
  readonly type: string;
  /** Content-Security-Policy, for what a browser shows. */
  readonly policy?: string;
}

export const JSON_REPORT: ReportFormat = { file: 'report.json', type: 'application/json' };
export const HTML_REPORT: ReportFormat = {
  file: 'report.html',
  type: 'text/html; charset=utf-8',
  policy: PAGE_POLICY,
};

export const REPORT_FORMATS: ReadonlyMap<string, ReportFormat> = new Map([
  ['json', JSON_REPORT],
  ['html', HTML_REPORT],
  ['maec', { file: 'report.maec-1.1.xml', type: 'application/xml', policy: DOCUMENT_POLICY }],
  ['maec5', { file: 'report.maec-5.0.json', type: 'application/json' }],
  ['metadata', { file: 'report.metadata.xml', type: 'application/xml', policy: DOCUMENT_POLICY }],
  ['pdf', { file: 'report.pdf', type: 'application/pdf' }],
]);

/** `GET /tasks/report/<id>/<format>`: an archive of what is in the analysis folder by these names. */
export const ARCHIVE_FORMATS: ReadonlyMap<string, (name: string) => boolean> = new Map([
  ['all', (name) => name !== ARTIFACTS.memory],
  ['dropped', (name) => name === ARTIFACTS.dropped],
  ['package_files', (name) => name === ARTIFACTS.packageFiles],
]);
