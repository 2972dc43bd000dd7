import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { binaryPath, storeSample, sweepUploads, type FactsFollower } from './binaries.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'malkoha-binaries-'));
});
afterEach(() => rm(dir, { recursive: true }));

const never = new AbortController().signal;
const SHA256_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

/** Sizes told of the last file. */
let told: number[] = [];

function follow(path: string): FactsFollower {
  told = [];
  return {
    grew: (size) => told.push(size),
    finish: async () => {
      const bytes = await readFile(path);
      const rest = { fileType: 'data', md5: '', crc32: '', sha1: '', sha512: '', ssdeep: null };
      return { ...rest, fileSize: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    },
    [Symbol.dispose]: () => {},
  };
}

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

const store = (source: AsyncIterable<Uint8Array>, signal = never, maxBytes = 10) =>
  storeSample(source, { binariesDir: dir, maxBytes, follow }, signal);

test('a sample is stored under its hash, read-only; the same again changes nothing', async () => {
  expect(await store(chunks('a', 'bc'))).toMatchObject({ sha256: SHA256_ABC, fileSize: 3 });
  expect(told).toEqual([1, 3]);
  const path = binaryPath(dir, SHA256_ABC);
  const { ino, mode } = await stat(path);
  expect(mode & 0o777).toBe(0o440);
  await Promise.all([store(chunks('abc')), store(chunks('ab', 'c'))]);
  expect((await stat(path)).ino).toBe(ino);
  expect(await readFile(path, 'utf8')).toBe('abc');
  expect(await readdir(dir)).toEqual([SHA256_ABC]);
});

test('nothing is left of one that is too large, breaks off, or is cancelled', async () => {
  await expect(store(chunks('12345', '67890', '1'))).rejects.toMatchObject({ code: 'UPLOAD_TOO_LARGE' });
  async function* breaking(): AsyncGenerator<Buffer> {
    yield Buffer.from('half');
    throw new Error('gone');
  }
  await expect(store(breaking())).rejects.toThrow('gone');
  await expect(store(chunks('abc'), AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('cancelled');
  expect(await readdir(dir)).toEqual([]);
});

test('a path is only ever made of a hash', () => {
  for (const wrong of [
    '',
    '..',
    '../../etc/passwd',
    SHA256_ABC.toUpperCase(),
    `${SHA256_ABC}/`,
    `${SHA256_ABC}\n`,
  ]) {
    expect(() => binaryPath(dir, wrong)).toThrow('not a SHA-256');
  }
});

test('what killed uploads left is swept, what is being written is not', async () => {
  await writeFile(join(dir, '.upload-old'), '');
  await utimes(join(dir, '.upload-old'), new Date(0), new Date(0));
  await writeFile(join(dir, '.upload-new'), '');
  await sweepUploads(dir);
  expect(await readdir(dir)).toEqual(['.upload-new']);
  await sweepUploads(join(dir, 'not there'));
});
