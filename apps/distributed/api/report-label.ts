import { ARCHIVE_TYPE, REPORT_TYPES, type ReportType } from '../../http/report-types.js';
import { BINARY, type Label } from '../../http/send.js';

/** The format that the capture is stored as. */
export const PCAP = 'pcap';

const TYPES: ReadonlyMap<string, ReportType> = new Map(Object.entries(REPORT_TYPES));

/** Archives by how they begin: one format is a tar.bz2 of Cuckoo, and a zip file of CAPE. */
const ARCHIVES = [
  { begins: Buffer.from('BZh'), type: ARCHIVE_TYPE, ending: 'tar.bz2' },
  { begins: Buffer.from([0x1f, 0x8b]), type: ARCHIVE_TYPE, ending: 'tar.gz' },
  { begins: Buffer.from('PK\x03\x04'), type: 'application/zip', ending: 'zip' },
  { begins: Buffer.from('PK\x05\x06'), type: 'application/zip', ending: 'zip' }, // an empty one
] as const;

/** A report to read. Anything else may hold malware, whatever its name: each sandbox has bundles of its own. */
export function isDocument(format: string): boolean {
  return TYPES.has(format);
}

/**
 * How a report is sent. Its bytes are another machine's, and in the end a guest's: what a browser shows of them is kept
 * from doing anything, what is not known to be shown is saved. `first`: its first bytes.
 */
export function labelOf(id: number, format: string, first: Buffer): Label & { readonly policy?: string } {
  if (format === PCAP) return { type: BINARY, name: 'dump.pcap' };
  const known = TYPES.get(format);
  if (!known) {
    const archive = ARCHIVES.find(({ begins }) => first.subarray(0, begins.length).equals(begins));
    if (archive) return { type: archive.type, name: `${id}-${format}.${archive.ending}` };
    return { type: BINARY, name: `${id}-report.${format}` };
  }
  const { type, policy } = known;
  // Pages of other sandboxes bring scripts and forms; ours alone could do without the sandbox.
  return { type, name: null, ...(policy !== undefined && { policy: sandboxed(policy) }) };
}

function sandboxed(policy: string): string {
  return policy.includes('sandbox') ? policy : `${policy}; sandbox`;
}
