/** What is unpacked, as 7-Zip calls it; `eml` is read by postal-mime. */
export type ContainerKind =
  | 'zip'
  | '7z'
  | 'Rar'
  | 'Rar5'
  | 'tar'
  | 'gzip'
  | 'bzip2'
  | 'xz'
  | 'zstd'
  | 'Cab'
  | 'Iso'
  | 'Udf'
  | 'Arj'
  | 'Lzh'
  | 'wim'
  | 'eml';

/** Bytes of a file that tell what it is: the volume descriptors of a disc begin at 32 KiB. */
export const HEAD_BYTES = 40 * 1024;

const SIGNATURES: readonly { readonly kind: ContainerKind; readonly at: number; readonly bytes: string }[] = [
  { kind: 'zip', at: 0, bytes: 'PK\x03\x04' },
  { kind: '7z', at: 0, bytes: '7z\xbc\xaf\x27\x1c' },
  { kind: 'Rar5', at: 0, bytes: 'Rar!\x1a\x07\x01\x00' },
  { kind: 'Rar', at: 0, bytes: 'Rar!\x1a\x07\x00' },
  { kind: 'gzip', at: 0, bytes: '\x1f\x8b\x08' },
  { kind: 'bzip2', at: 0, bytes: 'BZh' },
  { kind: 'xz', at: 0, bytes: '\xfd7zXZ\x00' },
  { kind: 'zstd', at: 0, bytes: '\x28\xb5\x2f\xfd' },
  { kind: 'Cab', at: 0, bytes: 'MSCF\x00\x00\x00\x00' },
  { kind: 'wim', at: 0, bytes: 'MSWIM\x00\x00\x00' },
  { kind: 'Arj', at: 0, bytes: '\x60\xea' },
  { kind: 'Lzh', at: 2, bytes: '-lh' },
  { kind: 'tar', at: 257, bytes: 'ustar' },
];

/** Sectors of 2 KiB from 32 KiB on that hold a disc's volume descriptors. */
const DESCRIPTORS = [16, 17, 18, 19].map((sector) => sector * 2048 + 1);

/**
 * What kind of container begins with `head`, or null: then it is a file. Judged by content, not by name, but for
 * mails, which are text. MSI, old Office documents (OLE) and self-extracting programs are files.
 *
 * @param head the first HEAD_BYTES, or the whole file when it is shorter
 */
export function containerKind(head: Buffer, name: string): ContainerKind | null {
  const text = head.toString('latin1');
  const found = SIGNATURES.find(({ at, bytes }) => text.startsWith(bytes, at));
  if (found) return found.kind === 'zip' && isDocument(namesInZip(head)) ? null : found.kind;
  const volumes = DESCRIPTORS.map((at) => text.slice(at, at + 5));
  // A disc with both file systems shows its real content in UDF.
  if (volumes.some((id) => id === 'NSR02' || id === 'NSR03' || id === 'BEA01')) return 'Udf';
  if (volumes.includes('CD001')) return 'Iso';
  return isMail(text, name) ? 'eml' : null;
}

/** Kinds that hold one stream, mostly a tar. */
export const COMPRESSORS: ReadonlySet<ContainerKind> = new Set(['gzip', 'bzip2', 'xz', 'zstd']);

function isMail(text: string, name: string): boolean {
  const header = /^[\x21-\x39\x3b-\x7e]{1,76}:[ \t]/;
  if (!header.test(text)) return false;
  if (name.toLowerCase().endsWith('.eml')) return true;
  return /^from:/im.test(text) && /^content-type:\s*multipart\//im.test(text);
}

/** Longer than any mark: of a longer name, which a hostile zip gives each of ten thousand members, this is enough. */
const NAME_BYTES = 64;

/** Of the members that begin within `head`: documents have the one that marks them at the front. */
function namesInZip(head: Buffer): readonly string[] {
  const names: string[] = [];
  for (let at = 0; at !== -1; at = head.indexOf('PK\x03\x04', at + 4, 'latin1')) {
    if (at + 30 > head.length) break;
    names.push(head.toString('latin1', at + 30, at + 30 + Math.min(head.readUInt16LE(at + 26), NAME_BYTES)));
  }
  return names;
}

/**
 * Members that make a zip a document or a program of its own: OOXML, jar, apk, ODF and EPUB, Windows apps. These are
 * files: a guest opens or runs them whole.
 */
const DOCUMENT_MARKS: ReadonlySet<string> = new Set([
  '[content_types].xml',
  'meta-inf/manifest.mf',
  'androidmanifest.xml',
  'mimetype',
  'appxmanifest.xml',
]);

export function isDocument(paths: readonly string[]): boolean {
  return paths.some((path) => DOCUMENT_MARKS.has(path.toLowerCase()));
}
