import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { takeScreenshots } from './shots.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shots-'));
  await mkdir(join(dir, 'shots'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const unexpected = (error: unknown): void => {
  throw error;
};

function ppm(shade: number): Buffer {
  return Buffer.concat([Buffer.from('P6\n4 2\n255\n'), Buffer.alloc(4 * 2 * 3, shade)]);
}

test('the last look is taken on the way out, as a JPEG of the right size', async () => {
  {
    await using _ = takeScreenshots({ screenshot: async () => ppm(200) }, dir, unexpected);
  }
  expect(await readdir(join(dir, 'shots'))).toEqual(['0001.jpg']);
  const { format, width, height } = await sharp(await readFile(join(dir, 'shots', '0001.jpg'))).metadata();
  expect({ format, width, height }).toEqual({ format: 'jpeg', width: 4, height: 2 });
});

test('a machine without a picture costs a word, not the analysis', async () => {
  const told: unknown[] = [];
  {
    await using _ = takeScreenshots(
      { screenshot: () => Promise.reject(new Error('no screen')) },
      dir,
      (error) => told.push(error),
    );
  }
  expect(told).toHaveLength(1);
});
