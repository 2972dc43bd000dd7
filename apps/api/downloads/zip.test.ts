import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openBelow } from '#storage/open-below.js';
import { filesIn } from './members.js';
import { zipOf } from './zip.js';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'zip-'));
  for (const name of ['1.jpg', '2.jpg', '3.jpg'])
    await writeFile(join(dir, name), Buffer.alloc(500_000, name));
  await mkdir(join(dir, 'folder'));
});

afterEach(() => rm(dir, { recursive: true }));

async function openDir() {
  const folder = await openBelow(dir);
  if (!folder) throw new Error('not there');
  return folder;
}

test('the length of a member is before its bytes, and they are as they were', async () => {
  await using folder = await openDir();
  const chunks: Buffer[] = [];
  for await (const chunk of zipOf(filesIn(folder))) chunks.push(chunk);
  const zip = Buffer.concat(chunks);
  // Local file header: flags at 6, method at 8, sizes at 18 and 22 (APPNOTE.TXT section 4.3.7).
  expect([
    zip.readUInt16LE(6) & 0x8,
    zip.readUInt16LE(8),
    zip.readUInt32LE(18),
    zip.readUInt32LE(22),
  ]).toEqual([...[0, 0, 500_000, 500_000]]);
  expect(zip.includes(Buffer.alloc(500_000, '3.jpg'))).toBe(true);
});

test('stops when nobody wants more', async () => {
  await using folder = await openDir();
  for await (const chunk of zipOf(filesIn(folder))) {
    expect(chunk.length).toBeGreaterThan(0);
    await sleep(100); // until it waits for us to read on
    break;
  }
});

test('fails with what it reads from', async () => {
  async function* broken() {
    await using folder = await openDir();
    yield* filesIn(folder);
    throw new Error('the disk is broken');
  }
  await expect(
    (async () => {
      for await (const chunk of zipOf(broken())) expect(chunk).toBeDefined();
    })(),
  ).rejects.toThrow('the disk is broken');
});
