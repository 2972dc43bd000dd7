export interface ArchiveFile {
  /** Without a leading slash. */
  readonly path: string;
  /** Type and permissions as in st_mode, e.g. 0o100755. */
  readonly mode: number;
  readonly content: Buffer;
}

/**
 * A cpio archive in `newc` format, owner root, dates 0: the same files give the same bytes.
 * A header is "070701" and 13 numbers of 8 hex digits; name and content are padded to 4 bytes.
 *
 * @see https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
 */
export function cpio(files: readonly ArchiveFile[]): Buffer {
  const end: ArchiveFile = { path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) };
  const parts = [...files, end].flatMap((file, index) => {
    const name = Buffer.from(`${file.path}\0`);
    const directory = (file.mode & 0o170000) === 0o040000;
    const fields = [
      file.mode === 0 ? 0 : index + 1, // inode
      file.mode,
      0, // uid
      0, // gid
      directory ? 2 : 1, // links
      0, // mtime
      file.content.length,
      0, // device, major and minor
      0,
      0, // device of a device node, major and minor
      0,
      name.length,
      0, // checksum, unused
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    const head = Buffer.concat([Buffer.from(header), name]);
    return [head, padding(head.length), file.content, padding(file.content.length)];
  });
  return Buffer.concat(parts);
}

function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}
