import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { GuestImage } from '#guest/image/build.js';
import { FILES, sha256 } from '#machinery/adapters/qemu/parts.js';
import { ramDigest } from '#machinery/adapters/qemu/ram.js';
import { damage, templates } from './guest.js';

const signal = new AbortController().signal;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'guests-'));
});
afterAll(() => rm(dir, { recursive: true }));

async function flip(path: string, offset: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(Buffer.from([0x5a]), 0, 1, offset);
}

test('an image: whole, cut off, emptied, gone, and no squashfs at all', async () => {
  const at = (name: string): string => join(dir, name);
  await mkdir(at('files'));
  await writeFile(at('files/a'), Buffer.alloc(300_000, 'abc'));
  execFileSync('mksquashfs', [at('files'), at('root'), '-quiet', '-noD', '-no-progress']);
  await writeFile(at('kernel'), 'kernel');
  await writeFile(at('initrd'), 'initrd');
  const image: GuestImage = {
    dir,
    kernel: at('kernel'),
    initrd: at('initrd'),
    root: at('root'),
    hash: '',
    cmdline: '',
  };
  expect(await damage(image)).toBeNull();
  await truncate(at('root'), 100_000);
  expect(await damage(image)).toBe(`${at('root')} is cut off`);
  await writeFile(at('root'), 'hello, this is not a file system of any kind whatsoever');
  expect(await damage(image)).toBe(`${at('root')} is no squashfs`);
  await truncate(at('initrd'), 0);
  expect(await damage(image)).toBe(`${at('initrd')} is empty`);
  await rm(at('kernel'));
  expect(await damage(image)).toBe(`${at('kernel')} is missing`);
});

test('a template: whole, with one byte changed, half-made', async () => {
  const folder = join(dir, 'templates', '0123456789abcdef');
  const ram = join(folder, FILES.ram);
  await mkdir(folder, { recursive: true });
  await writeFile(ram, Buffer.alloc(1 << 20, 'ram'));
  const state = 'device state';
  await writeFile(join(folder, FILES.state), state);
  const saved = {
    ...{ form: 'mapped', qemu: 'QEMU', image: 'image' },
    ram: { bytes: 1 << 20, digest: await ramDigest(ram, signal) },
    state: { bytes: state.length, digest: sha256(state) },
  };
  await writeFile(join(folder, FILES.about), JSON.stringify(saved));
  expect(await templates(dir, signal)).toMatchObject([{ status: 'ok' }]);
  await flip(ram, 70_000);
  expect(await templates(dir, signal)).toMatchObject([
    {
      status: 'fail',
      found: expect.stringContaining(`${ram} is not what was saved`),
      fix: expect.stringContaining(`rm -r ${folder}`),
    },
  ]);
  await rm(join(folder, FILES.about));
  expect(await templates(dir, signal)).toMatchObject([
    { status: 'fail', found: expect.stringContaining('holds no whole template') },
  ]);
});
