import { createRequire } from 'node:module';
import { crc32 } from 'node:zlib';
import type { SevenZipModuleFactory } from '7z-wasm';

const start = createRequire(import.meta.url)('7z-wasm') as SevenZipModuleFactory;

type Content = string | Buffer;

/** An archive as 7-Zip makes it; `name` chooses the format, `args` are more of its options. */
export async function pack(
  name: string,
  files: Readonly<Record<string, Content>>,
  ...args: readonly string[]
): Promise<Buffer<ArrayBuffer>> {
  const program = await start({ print: () => {}, printErr: () => {} });
  for (const [path, content] of Object.entries(files)) {
    const folders = path.split('/').slice(0, -1);
    folders.forEach((_, index) => {
      const folder = folders.slice(0, index + 1).join('/');
      try {
        program.FS.mkdir(folder);
      } catch {
        // it is there
      }
    });
    program.FS.writeFile(path, Buffer.from(content));
  }
  program.callMain([
    'a',
    ...args,
    name,
    ...new Set(Object.keys(files).map((path) => path.split('/')[0] ?? path)),
  ]);
  return Buffer.from(program.FS.readFile(name));
}

export interface RawMember {
  readonly name: Content;
  readonly content: Content;
  /** As Unix has it, in the upper half: 0o120777 is a link. */
  readonly mode?: number;
}

/** A zip whose members are called exactly so, stored: what no honest program writes. */
export function rawZip(members: readonly RawMember[]): Buffer<ArrayBuffer> {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const { name, content, mode = 0o100644 } of members) {
    const [path, bytes] = [Buffer.from(name), Buffer.from(content)];
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x800, 2); // names are UTF-8
    common.writeUInt16LE(0x21, 8); // 1980-01-01
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(path.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(mode * 0x10000, 6);
    tail.writeUInt32LE(at, 10);
    const header = Buffer.concat([Buffer.from('PK\x03\x04'), common, path]);
    local.push(header, bytes);
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, path);
    at += header.length + bytes.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(members.length, 4);
  end.writeUInt16LE(members.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06'), end]);
}

/** A cabinet with one file, not compressed. */
export function rawCab(name: string, content: string): Buffer<ArrayBuffer> {
  const data = Buffer.from(content);
  const path = Buffer.from(`${name}\0`);
  const header = Buffer.alloc(36);
  const folder = Buffer.alloc(8);
  const file = Buffer.alloc(16);
  const block = Buffer.alloc(8);
  const fileAt = header.length + folder.length;
  const dataAt = fileAt + file.length + path.length;
  header.write('MSCF');
  header.writeUInt32LE(dataAt + block.length + data.length, 8);
  header.writeUInt32LE(fileAt, 16);
  header.writeUInt16LE(0x0103, 24);
  header.writeUInt16LE(1, 26); // folders
  header.writeUInt16LE(1, 28); // files
  folder.writeUInt32LE(dataAt, 0);
  folder.writeUInt16LE(1, 4); // blocks
  file.writeUInt32LE(data.length, 0);
  file.writeUInt16LE(0x20, 14);
  block.writeUInt16LE(data.length, 4);
  block.writeUInt16LE(data.length, 6);
  return Buffer.concat([header, folder, file, path, block, data]);
}

/** A RAR 2.9 archive with one file, stored. Its checksums are the lower halves of CRC-32. */
export function rawRar(name: string, content: string): Buffer<ArrayBuffer> {
  const data = Buffer.from(content);
  const path = Buffer.from(name);
  const block = (body: Buffer): Buffer => {
    const sum = Buffer.alloc(2);
    sum.writeUInt16LE(crc32(body) & 0xffff);
    return Buffer.concat([sum, body]);
  };
  const main = Buffer.alloc(11);
  main.writeUInt8(0x73, 0);
  main.writeUInt16LE(13, 3);
  const file = Buffer.alloc(30);
  file.writeUInt8(0x74, 0);
  file.writeUInt16LE(0x8000, 1);
  file.writeUInt16LE(32 + path.length, 3);
  file.writeUInt32LE(data.length, 5);
  file.writeUInt32LE(data.length, 9);
  file.writeUInt8(3, 13); // Unix
  file.writeUInt32LE(crc32(data), 14);
  file.writeUInt32LE(0x00210000, 18);
  file.writeUInt8(29, 22);
  file.writeUInt8(0x30, 23); // stored
  file.writeUInt16LE(path.length, 24);
  file.writeUInt32LE(0o100644, 26);
  const end = Buffer.from([0x7b, 0x00, 0x40, 0x07, 0x00]);
  return Buffer.concat([
    Buffer.from('Rar!\x1a\x07\x00'),
    block(main),
    block(Buffer.concat([file, path])),
    data,
    block(end),
  ]);
}

const SECTOR = 2048;

/** A disc (ISO 9660) with one file in its root. */
export function rawIso(name: string, content: string): Buffer<ArrayBuffer> {
  const data = Buffer.from(content);
  const both = (value: number, bytes: 2 | 4): Buffer => {
    const field = Buffer.alloc(bytes * 2);
    field.writeUIntLE(value, 0, bytes);
    field.writeUIntBE(value, bytes, bytes);
    return field;
  };
  const record = (id: Buffer, at: number, size: number, flags: number): Buffer => {
    const length = 33 + id.length + ((id.length + 1) % 2);
    const out = Buffer.alloc(length);
    out.writeUInt8(length, 0);
    both(at, 4).copy(out, 2);
    both(size, 4).copy(out, 10);
    out.writeUInt8(flags, 25);
    both(1, 2).copy(out, 28);
    out.writeUInt8(id.length, 32);
    id.copy(out, 33);
    return out;
  };
  const disc = Buffer.alloc(20 * SECTOR);
  const primary = disc.subarray(16 * SECTOR);
  primary.write('\x01CD001\x01', 0, 'latin1');
  both(20, 4).copy(primary, 80);
  both(1, 2).copy(primary, 120);
  both(1, 2).copy(primary, 124);
  both(SECTOR, 2).copy(primary, 128);
  record(Buffer.from([0]), 18, SECTOR, 2).copy(primary, 156);
  primary.writeUInt8(1, 881);
  disc.write('\xffCD001\x01', 17 * SECTOR, 'latin1');
  const root = Buffer.concat([
    record(Buffer.from([0]), 18, SECTOR, 2),
    record(Buffer.from([1]), 18, SECTOR, 2),
    record(Buffer.from(name), 19, data.length, 0),
  ]);
  root.copy(disc, 18 * SECTOR);
  data.copy(disc, 19 * SECTOR);
  return disc;
}

/** A mail with attachments. */
export function mail(attachments: Readonly<Record<string, Content>>): Buffer<ArrayBuffer> {
  const parts = Object.entries(attachments).map(
    ([name, content]) =>
      `--B\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n` +
      `Content-Disposition: attachment; filename="${name}"\r\n\r\n${Buffer.from(content).toString('base64')}\r\n`,
  );
  return Buffer.from(
    'From: a@example.test\r\nTo: b@example.test\r\nSubject: invoice\r\nMIME-Version: 1.0\r\n' +
      `Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\nhello\r\n${parts.join('')}--B--\r\n`,
  );
}
