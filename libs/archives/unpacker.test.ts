import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { pack, rawZip } from '../../test/support/archives.js';
import { THREADS } from '../../test/support/threads.js';
import type { Unpacked } from './unpack.js';
import { Unpacker } from './unpacker.js';

/** Each thread loads 7-Zip. */
jest.setTimeout(60_000);

const never = new AbortController().signal;
const limits = { bytes: 1_000_000, members: 10 };

let dir: string;
let folder: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'unpacker-'));
  folder = join(dir, 'unpacking');
});

afterEach(async () => {
  expect(await readdir(folder).catch(() => [])).toEqual([]);
  await rm(dir, { recursive: true });
});

async function unpack(
  content: Buffer,
  by = new Unpacker(folder, THREADS.unpack),
  signal = never,
): Promise<Unpacked> {
  const file = join(dir, 'container');
  await writeFile(file, content);
  return by.unpack({ file, name: 'a.x', password: null, limits }, async (unpacked) => unpacked, signal);
}

test('what is in the result is there while it is used, and gone afterwards', async () => {
  const file = join(dir, 'container');
  await writeFile(file, rawZip([{ name: 'b', content: 'b' }]));
  const by = new Unpacker(folder, THREADS.unpack);
  const request = { file, name: 'a.zip', password: null, limits };
  const seen = await by.unpack(
    request,
    async (unpacked) => {
      if (unpacked.kind === 'archive')
        expect((await readFile(unpacked.zip)).subarray(0, 2).toString()).toBe('PK');
      return unpacked;
    },
    never,
  );
  expect(seen).toMatchObject({ kind: 'archive', members: [{ path: 'b', size: 1 }] });
});

test('one that takes too long is refused, and its thread ended', async () => {
  const by = new Unpacker(folder, THREADS.unpack, 1);
  expect(await unpack(rawZip([{ name: 'b', content: 'b' }]), by)).toEqual({
    kind: 'refused',
    why: expect.stringMatching('"a.x" took longer than'),
  });
});

test('one that nobody waits for any more is given up', async () => {
  const gone = new AbortController();
  const unpacking = unpack(rawZip([{ name: 'b', content: 'b' }]), undefined, gone.signal);
  setTimeout(() => gone.abort(new Error('gone')), 20);
  await expect(unpacking).rejects.toThrow('gone');
});

test('many at once wait for their turn', async () => {
  const by = new Unpacker(folder, THREADS.unpack);
  const content = rawZip([{ name: 'b', content: 'b' }]);
  const all = await Promise.all([1, 2, 3, 4, 5].map(() => unpack(content, by)));
  expect(all.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'archive'));
});

test('the same members give the same bytes, whatever the container was', async () => {
  const hashes = new Set<string>();
  for (const name of ['a.7z', 'a.tar']) {
    const content = await pack(name, { 'in/b': 'b', c: 'c' });
    const file = join(dir, name);
    await writeFile(file, content);
    const by = new Unpacker(folder, THREADS.unpack);
    const zip = await by.unpack(
      { file, name, password: null, limits },
      async (unpacked) => (unpacked.kind === 'archive' ? (await readFile(unpacked.zip)).toString('hex') : ''),
      never,
    );
    hashes.add(zip);
  }
  expect(hashes.size).toBe(1);
  expect([...hashes][0]).not.toBe('');
});

test('an archive that asks for a gigabyte of memory does not get it', async () => {
  const archive = await pack('a.7z', { b: Buffer.alloc(100_000, 'text') }, '-mhc=off', '-m0=LZMA2');
  const header = archive.subarray(32 + archive.readUInt32LE(12));
  // A coder: length of its id and flags, the id, one byte of properties: the size of the dictionary.
  const at = header.indexOf(Buffer.from([0x21, 0x21, 0x01]));
  header.writeUInt8(36, at + 3); // 1 GiB, which 7-Zip would get elsewhere
  archive.writeUInt32LE(crc32(header), 28);
  archive.writeUInt32LE(crc32(archive.subarray(12, 32)), 8);
  expect(await unpack(archive)).toMatchObject({
    kind: 'file',
    note: expect.stringContaining("Can't allocate required memory"),
  });
});

test('folders that a killed process left are swept, fresh ones are not', async () => {
  for (const name of ['old', 'new']) await mkdir(join(folder, name, 'deep'), { recursive: true });
  const hours = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(folder, 'old'), hours, hours);
  await new Unpacker(folder, THREADS.unpack).sweep();
  expect(await readdir(folder)).toEqual(['new']);
  await rm(join(folder, 'new'), { recursive: true });
});
