import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findAnalyzers, howToBring } from './analyzers.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'analyzers-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(path: string, text = ''): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), text);
}

test('an analyzer is known by its platform, its dialect by what it uploads', async () => {
  await put('windows/analyzer.py');
  await put('windows/lib/common/results.py', 'def upload_to_host(file_path, dump_path, pids=[]):\n');
  await put('linux/analyzer.py');
  await put('linux/lib/common/results.py', 'def upload_to_host(file_path, dump_path, pids="", ppids=""):\n');
  await put('android/readme.txt');
  expect([...(await findAnalyzers(folder)).values()]).toEqual([
    { folder: join(folder, 'windows'), platform: 'windows', dialect: 'cuckoo2' },
    { folder: join(folder, 'linux'), platform: 'linux', dialect: 'cape' },
  ]);
});

test('no folder is no analyzer, and the way to one is told', async () => {
  expect((await findAnalyzers(join(folder, 'none'))).size).toBe(0);
  expect(howToBring('/lab/analyzer', 'windows')).toMatch('analyzer/windows of its working directory');
});
