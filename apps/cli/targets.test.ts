import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { findTargets } from './targets.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'targets-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('a folder stands for the files in it, in order of name; URLs stay as they are', async () => {
  await writeFile(join(dir, 'b'), 'x');
  await writeFile(join(dir, 'a'), 'x');
  await mkdir(join(dir, 'sub'));
  expect(await findTargets([dir, 'http://example.test/x'])).toEqual([
    { kind: 'file', path: join(dir, 'a') },
    { kind: 'file', path: join(dir, 'b') },
    { kind: 'url', url: 'http://example.test/x' },
  ]);
});

test.each([
  ['a missing file', () => join(dir, 'nope'), 'cannot read'],
  ['an empty folder', () => dir, 'no files in it'],
  ['a device', () => '/dev/null', 'not a regular file'],
])('%s is refused by name', async (_what, path, sentence) => {
  await expect(findTargets([path()])).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(sentence),
  });
  await expect(findTargets([path()])).rejects.toThrow(path());
});

test('an empty file is refused by name', async () => {
  await writeFile(join(dir, 'empty'), '');
  await expect(findTargets([join(dir, 'empty')])).rejects.toThrow('is empty (0 bytes)');
});

const asUser = process.getuid?.() === 0 ? test.skip : test;
asUser('a file that may not be read is refused with what to do', async () => {
  await writeFile(join(dir, 'secret'), 'x');
  await chmod(join(dir, 'secret'), 0);
  await expect(findTargets([join(dir, 'secret')])).rejects.toThrow('chmod u+r');
});
