import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { backUp, writeWhole } from './write-file.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'malkoha-write-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('a new file is for its owner only; one that is there keeps its mode', async () => {
  await writeWhole(join(dir, 'deep', 'a.conf'), 'one');
  expect((await stat(join(dir, 'deep', 'a.conf'))).mode & 0o777).toBe(0o600);
  await chmod(join(dir, 'deep', 'a.conf'), 0o664);
  await writeWhole(join(dir, 'deep', 'a.conf'), 'two');
  expect((await stat(join(dir, 'deep', 'a.conf'))).mode & 0o777).toBe(0o664);
  expect(await readFile(join(dir, 'deep', 'a.conf'), 'utf8')).toBe('two');
  expect(await readdir(join(dir, 'deep'))).toEqual(['a.conf']);
});

test('a link stays one, and what it leads to is written', async () => {
  await writeFile(join(dir, 'real'), 'old');
  await symlink('real', join(dir, 'link'));
  await writeWhole(join(dir, 'link'), 'new');
  expect(await readFile(join(dir, 'real'), 'utf8')).toBe('new');
  expect((await readdir(dir)).sort()).toEqual(['link', 'real']);
});

test('a backup never takes the place of another', async () => {
  const file = join(dir, 'a.conf');
  for (const text of ['1', '2', '3']) {
    await writeFile(file, text);
    await backUp(file);
  }
  const kept = await Promise.all(['bak', 'bak2', 'bak3'].map((end) => readFile(`${file}.${end}`, 'utf8')));
  expect(kept).toEqual(['1', '2', '3']);
});
