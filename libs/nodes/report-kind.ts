/** What the bytes of a report are; `other`: of a format that is not known here. */
export type ReportKind = 'json' | 'capture' | 'pdf' | 'xml' | 'html' | 'archive' | 'other';

/** By format, as any of the dialects has it. */
const KINDS: ReadonlyMap<string, ReportKind> = new Map([
  ...(['json', 'litereport', 'maec5'] as const).map((format) => [format, 'json'] as const),
  ['pcap', 'capture'],
  ['pdf', 'pdf'],
  ...(['maec', 'metadata'] as const).map((format) => [format, 'xml'] as const),
  // tar of Cuckoo and Malkoha, zip of CAPE
  ...(['all', 'dropped', 'package_files', 'dist', 'dist2', 'lite'] as const).map(
    (format) => [format, 'archive'] as const,
  ),
]);

/** Whatever the media type of an answer says: old versions have one for everything. */
export function kindOf(format: string): ReportKind {
  return KINDS.get(format) ?? (format.startsWith('html') ? 'html' : 'other');
}
