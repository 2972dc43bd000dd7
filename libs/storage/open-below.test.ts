import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { listFolder, openBelow, openIn, readLink } from './open-below.js';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'below-'));
  await mkdir(join(dir, 'real', 'inner'), { recursive: true });
  await writeFile(join(dir, 'real', 'inner', 'file'), 'content');
  await symlink('real', join(dir, 'link'));
  await symlink('file', join(dir, 'real', 'inner', 'link'));
});

afterEach(() => rm(dir, { recursive: true }));

async function contentOf(...names: string[]): Promise<string | null> {
  await using file = await openBelow(dir, ...names);
  return file && (await file.readFile('utf8'));
}

test('a file is opened by its names, one below the other', async () => {
  expect(await contentOf('real', 'inner', 'file')).toBe('content');
});

test('no link is followed on the way or at its end, but for one in the folder that is trusted', async () => {
  expect(await contentOf('link', 'inner', 'file')).toBeNull();
  expect(await contentOf('real', 'inner', 'link')).toBeNull();
  await using file = await openBelow(join(dir, 'link'), 'inner', 'file');
  expect(file).not.toBeNull();
});

test('what is not there is null, as is what lies below a file', async () => {
  for (const names of [
    ['none'],
    ['real', 'none', 'file'],
    ['real', 'inner', 'file', 'x'],
    ['x'.repeat(300)],
  ]) {
    expect(await contentOf(...names)).toBeNull();
  }
  expect(await openBelow(join(dir, 'none'), 'x')).toBeNull();
});

test('an open folder stays the same, whatever is put in its place', async () => {
  await using inner = await openBelow(dir, 'real', 'inner');
  if (!inner) throw new Error('not there');
  await rename(join(dir, 'real', 'inner'), join(dir, 'moved'));
  await symlink('/etc', join(dir, 'real', 'inner'));
  expect(await listFolder(inner)).toEqual(['file', 'link']);
  expect(await openIn(inner, 'passwd')).toBeNull();
  expect(await readLink(inner, 'link')).toBe('file');
  expect(await readLink(inner, 'file')).toBeNull();
  expect(await readLink(inner, 'none')).toBeNull();
});

test('a pipe that nobody writes to does not keep us', async () => {
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  await using pipe = await openBelow(dir, 'pipe');
  expect((await pipe?.stat())?.isFIFO()).toBe(true);
});
