import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from '@jest/globals';

import { buildLock, identity } from './lock.js';

let folder: string;
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the second builder waits for the first', async () => {
  const first = await buildLock(folder, () => undefined, never);
  let waiting = 0;
  const order: string[] = [];
  const second = buildLock(folder, () => waiting++, never).then(async (lock) => {
    order.push('second');
    await lock[Symbol.asyncDispose]();
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  order.push('first ends');
  await first[Symbol.asyncDispose]();
  await second;
  expect(order).toEqual(['first ends', 'second']);
  expect(waiting).toBe(1);
  expect(existsSync(join(folder, 'build.lock'))).toBe(false);
});

test('a waiting builder can be told to give up', async () => {
  await using _first = await buildLock(folder, () => undefined, never);
  const giveUp = AbortSignal.timeout(50);
  await expect(buildLock(folder, () => undefined, giveUp)).rejects.toMatchObject({
    name: expect.stringMatching(/Abort|Timeout/),
  });
});

test('what a dead builder left is taken over and removed; what a living one has stays', async () => {
  await writeFile(join(folder, 'build.lock'), `${process.pid}:1`); // this pid, another start time
  const mine = `image.tmp-${(await identity(process.pid)) ?? ''}`;
  await mkdir(join(folder, 'image.tmp-999999999:1'));
  await mkdir(join(folder, mine));
  await using _lock = await buildLock(folder, () => undefined, never);
  expect(existsSync(join(folder, 'image.tmp-999999999:1'))).toBe(false);
  expect(existsSync(join(folder, mine))).toBe(true);
});
