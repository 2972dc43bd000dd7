import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openFolder } from './folders.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'malkoha-folders-'));
});
afterEach(() => rm(dir, { recursive: true }));

test('a folder is made with those above it, for this user alone, and nothing is left in it', async () => {
  const path = join(dir, 'a', 'b');
  await openFolder(path, 'samples_directory');
  await openFolder(path, 'samples_directory');
  for (const made of [join(dir, 'a'), path]) expect((await stat(made)).mode & 0o777).toBe(0o700);
  expect(await readdir(path)).toEqual([]);
});

test('what cannot be written to is told with its key, its path and why', async () => {
  await writeFile(join(dir, 'file'), '');
  const paths = ['/proc/malkoha/samples', join(dir, 'file'), join(dir, 'file', 'below')];
  for (const path of paths) {
    const opening = openFolder(path, 'reports_directory');
    await expect(opening).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^reports_directory: nothing can be written to .* \(E[A-Z]+\); name a /),
    });
    await expect(opening).rejects.toThrow(path);
  }
});

test('a disk that does not answer is not waited for', async () => {
  await expect(openFolder(join(dir, 'x'), 'samples_directory', 0)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('its disk did not answer in 0 ms'),
  });
  await openFolder(join(dir, 'x'), 'samples_directory'); // so that nothing is under way when it is removed
});
