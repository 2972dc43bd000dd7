import { appendFile, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fileFacts } from '#formats/file-facts.js';
import { THREADS } from '../../../test/support/threads.js';
import { FactsThreads } from './facts-threads.js';

// A block of its own: its end comes before the look for what was left behind.
describe('facts of uploads', () => {
  let dir: string;
  let threads: FactsThreads;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'facts-'));
    threads = new FactsThreads(THREADS.facts);
  });
  afterAll(async () => {
    await threads[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  test('what is found of a file that grows is what is found of it whole', async () => {
    const path = join(dir, 'grows');
    await writeFile(path, '');
    using facts = threads.follow(path);
    const parts = ['#!/bin/sh\n', 'x'.repeat(700_000), 'end'];
    let size = 0;
    for (const part of parts) {
      await appendFile(path, part);
      size += part.length;
      facts.grew(size);
    }
    const {
      size: fileSize,
      type: fileType,
      ...hashes
    } = await fileFacts(parts.map((part) => Buffer.from(part)));
    expect(await facts.finish()).toEqual({ fileSize, fileType, ...hashes });
  });

  test('many at once, of which some are given up, do not wait for each other', async () => {
    const started = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const path = join(dir, String(n));
        await writeFile(path, `content ${n}`);
        return { path, facts: threads.follow(path), length: `content ${n}`.length };
      }),
    );
    const ended = started.map(async ({ facts, length }, n) => {
      using follower = facts;
      if (n % 4 === 0) return null;
      follower.grew(length);
      return (await follower.finish()).fileSize;
    });
    expect(await Promise.all(ended)).toEqual(started.map(({ length }, n) => (n % 4 === 0 ? null : length)));
  });

  test('nothing is left open of uploads that are given up, however early', async () => {
    const path = join(dir, 'given up');
    await writeFile(path, 'half');
    for (let n = 0; n < 300; n += 1) {
      const facts = threads.follow(path);
      await sleep(n % 3);
      facts[Symbol.dispose]();
    }
    using last = threads.follow(path); // the thread is through with the others when it has answered this one
    last.grew(4);
    expect((await last.finish()).fileSize).toBe(4);
    await until(async () => !(await openFiles()).includes(path));
  });

  test('a file that is not there is the error of who waits for it', async () => {
    using facts = threads.follow(join(dir, 'not there'));
    await expect(facts.finish()).rejects.toThrow('ENOENT');
  });
});

/** Threads share them. */
async function openFiles(): Promise<readonly string[]> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return Promise.all(links);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    if (tries === 100) throw new Error('it never held');
    await sleep(50);
  }
}
