export interface TarEntry {
  /** Without a leading slash; at most 100 bytes. */
  readonly path: string;
  /** A folder when absent. */
  readonly content?: Buffer;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

const BLOCK = 512; // bytes, of every tar

/**
 * Entries in ustar format **without** the two empty blocks that end an archive, so that another archive can follow.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html ("ustar Interchange Format")
 */
export function tarEntries(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const content = entry.content ?? Buffer.alloc(0);
      return [
        header(entry, content.length),
        content,
        Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK),
      ];
    }),
  );
}

function header(entry: TarEntry, size: number): Buffer {
  const path = entry.content === undefined ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(path) > 100) throw new RangeError(`too long for a tar header: ${path}`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) =>
    block.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1');
  block.write(path, 0);
  octal(entry.mode, 100, 8);
  octal(entry.uid, 108, 8);
  octal(entry.gid, 116, 8);
  octal(size, 124, 12);
  octal(entry.mtime, 136, 12);
  block.write('        ', 148, 'latin1'); // the sum is made with spaces in its own place
  block.write(entry.content === undefined ? '5' : '0', 156, 'latin1');
  block.write('ustar\0' + '00', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
