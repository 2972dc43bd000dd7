import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ramDigest, sealedCopy } from './ram.js';

const MiB = 1 << 20;
const patience = () => AbortSignal.timeout(20_000);
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ram-test-'));
  path = join(folder, 'ram');
  await using file = await open(path, 'w');
  await file.truncate(8 * MiB);
  await file.write(Buffer.from('kernel'), 0, 6, 100);
  await file.write(Buffer.from('agent'), 0, 5, 5 * MiB + 3);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('holes and zeros are the same, content and its place are not', async () => {
  const digest = await ramDigest(path, patience());
  {
    await using file = await open(path, 'r+');
    await file.write(Buffer.alloc(MiB), 0, MiB, 2 * MiB); // a hole filled with zeros
  }
  expect(await ramDigest(path, patience())).toBe(digest);
  {
    await using file = await open(path, 'r+');
    await file.write(Buffer.from('agent'), 0, 5, 6 * MiB + 3);
  }
  expect(await ramDigest(path, patience())).not.toBe(digest);
});

test('a sealed copy has the same content and cannot be written, not even by root', async () => {
  await using copy = await sealedCopy(path, await ramDigest(path, patience()), patience());
  const sealed = `/proc/self/fd/${copy.fd}`;
  expect(await ramDigest(sealed, patience())).toBe(await ramDigest(path, patience()));
  expect((await copy.stat()).size).toBe(8 * MiB);
  await using writable = await open(sealed, 'r+'); // QEMU 7.2 opens it so
  await expect(writable.write(Buffer.from('x'), 0, 1, 0)).rejects.toMatchObject({ code: 'EPERM' });
  await expect(writable.truncate(0)).rejects.toMatchObject({ code: 'EPERM' });
});

test('holes stay holes in the copy', async () => {
  await using copy = await sealedCopy(path, await ramDigest(path, patience()), patience());
  const { blocks } = await stat(`/proc/self/fd/${copy.fd}`);
  expect(blocks * 512).toBeLessThanOrEqual(2 * MiB);
});

test('content that is not what was saved is refused', async () => {
  const digest = await ramDigest(path, patience());
  await writeFile(path, Buffer.alloc(1), { flag: 'a' });
  await using file = await open(path, 'r+');
  await file.write(Buffer.from('K'), 0, 1, 100);
  await expect(sealedCopy(path, digest, patience())).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
});
