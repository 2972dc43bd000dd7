import { ARTIFACTS } from '#domain/artifacts.js';
import { REPORT_TYPES, type ReportType } from '../../http/report-types.js';

/** `GET /tasks/report/<id>/<format>`: a file of reports/. */
export interface ReportFormat extends ReportType {
  readonly file: string;
}

export const JSON_REPORT: ReportFormat = { file: 'report.json', ...REPORT_TYPES.json };
export const HTML_REPORT: ReportFormat = { file: 'report.html', ...REPORT_TYPES.html };

export const REPORT_FORMATS: ReadonlyMap<string, ReportFormat> = new Map([
  ['json', JSON_REPORT],
  ['html', HTML_REPORT],
  ['maec', { file: 'report.maec-1.1.xml', ...REPORT_TYPES.maec }],
  ['maec5', { file: 'report.maec-5.0.json', ...REPORT_TYPES.maec5 }],
  ['metadata', { file: 'report.metadata.xml', ...REPORT_TYPES.metadata }],
  ['pdf', { file: 'report.pdf', ...REPORT_TYPES.pdf }],
]);

/** `GET /tasks/report/<id>/<format>`: an archive of what is in the analysis folder by these names. */
export const ARCHIVE_FORMATS: ReadonlyMap<string, (name: string) => boolean> = new Map([
  ['all', (name) => name !== ARTIFACTS.memory],
  ['dropped', (name) => name === ARTIFACTS.dropped],
  ['package_files', (name) => name === ARTIFACTS.packageFiles],
]);
