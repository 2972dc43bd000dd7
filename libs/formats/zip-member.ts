/** Bytes of a file, wherever they are. */
export interface Bytes {
  readonly size: number;
  /** At most `length` bytes from `at` on. */
  read(at: number, length: number): Promise<Buffer>;
}

/** Where a member's bytes are in its zip. */
export interface ZipMember {
  readonly method: 'stored' | 'deflate';
  readonly at: number;
  readonly packedSize: number;
  readonly size: number;
}

const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
/** Bytes of a central directory that is read: some hundred thousand members. */
const DIRECTORY_LIMIT = 64 * 1024 * 1024;

/**
 * Finds the member called `path` in a zip as this project writes them: not encrypted, without a comment at its end,
 * smaller than 4 GiB. Null when there is none, or the file is another kind of zip.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT section 4.3
 */
export async function findZipMember(zip: Bytes, path: string): Promise<ZipMember | null> {
  const end = await zip.read(Math.max(0, zip.size - END_BYTES), END_BYTES);
  if (end.length < END_BYTES || end.readUInt32BE(0) !== 0x504b0506) return null;
  const directory = await zip.read(end.readUInt32LE(16), Math.min(end.readUInt32LE(12), DIRECTORY_LIMIT));
  const wanted = Buffer.from(path);
  for (let at = 0; at + CENTRAL_BYTES <= directory.length;) {
    const entry = directory.subarray(at);
    if (entry.readUInt32BE(0) !== 0x504b0102) return null;
    const nameBytes = entry.readUInt16LE(28);
    if (entry.subarray(CENTRAL_BYTES, CENTRAL_BYTES + nameBytes).equals(wanted)) return member(zip, entry);
    at += CENTRAL_BYTES + nameBytes + entry.readUInt16LE(30) + entry.readUInt16LE(32);
  }
  return null;
}

async function member(zip: Bytes, entry: Buffer): Promise<ZipMember | null> {
  const method = ({ 0: 'stored', 8: 'deflate' } as const)[entry.readUInt16LE(10)];
  const start = entry.readUInt32LE(42);
  const local = await zip.read(start, LOCAL_BYTES);
  const isEncrypted = (entry.readUInt16LE(8) & 1) === 1;
  if (!method || isEncrypted || local.length < LOCAL_BYTES || local.readUInt32BE(0) !== 0x504b0304)
    return null;
  return {
    method,
    at: start + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28),
    packedSize: entry.readUInt32LE(20),
    size: entry.readUInt32LE(24),
  };
}
