import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { lockHome, readDaemon } from './lockfile.js';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lock-'));
  file = join(dir, 'run', 'daemon.json');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test('the second to take a home folder is told who has it, and it is free again afterwards', async () => {
  {
    await using _ = await lockHome(file, 'http://127.0.0.1:1');
    expect(await readDaemon(file)).toMatchObject({ pid: process.pid, url: 'http://127.0.0.1:1' });
    await expect(lockHome(file, 'http://127.0.0.1:2')).rejects.toMatchObject({
      code: 'ALREADY_RUNNING',
      message: expect.stringContaining(`pid ${process.pid}`),
    });
  }
  expect(await readDaemon(file)).toBeNull();
  await using _again = await lockHome(file, 'http://127.0.0.1:2');
  expect(await readdir(join(dir, 'run'))).toEqual(['daemon.json']);
});

test.each([
  [
    'a record of a killed daemon whose pid was given to another process',
    JSON.stringify({ pid: 1, start: 1, url: 'x' }),
  ],
  ['half a record', '{"pid": 1'],
])('%s does not hold the home folder', async (_what, left) => {
  await using _ = await lockHome(file, 'http://127.0.0.1:1');
  await rm(file);
  await writeFile(file, left);
  await using _second = await lockHome(file, 'http://127.0.0.1:2');
  expect(await readDaemon(file)).toMatchObject({ url: 'http://127.0.0.1:2' });
});
