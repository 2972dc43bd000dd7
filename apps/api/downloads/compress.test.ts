import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { COMPRESSIONS } from './compress.js';

const TEXT = randomBytes(300_000).toString('hex');

async function* pieces(): AsyncGenerator<Buffer> {
  for (let at = 0; at < TEXT.length; at += 10_000) yield Buffer.from(TEXT.slice(at, at + 10_000));
}

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield randomBytes(64 * 1024);
}

async function* broken(): AsyncGenerator<Buffer> {
  yield Buffer.from('some');
  throw new Error('the disk is broken');
}

async function whole(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('what is packed is unpacked by the programs that people have', async () => {
  expect(String(gunzipSync(await whole(COMPRESSIONS['tar.gz'](pieces()))))).toBe(TEXT);
  const input = await whole(COMPRESSIONS['tar.bz2'](pieces()));
  expect(execFileSync('bzip2', ['--decompress', '--stdout'], { input }).toString()).toBe(TEXT);
});

// That neither leaves a process is looked at after each file of tests.
describe.each(['tar.bz2', 'tar.gz', 'tar'] as const)('%s', (packing) => {
  test('stops when nobody wants more', async () => {
    for await (const chunk of COMPRESSIONS[packing](endless())) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });

  test('fails with what it reads from', async () => {
    await expect(whole(COMPRESSIONS[packing](broken()))).rejects.toThrow('the disk is broken');
  });
});

test('without the program it says how to get it, and what works without', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nowhere';
  try {
    await expect(whole(COMPRESSIONS['tar.bz2'](pieces()))).rejects.toMatchObject({
      code: 'SETUP_MISSING',
      message:
        'The program bzip2 could not be started; run as root: apt-get install bzip2, or ask with ?tar=gz',
    });
  } finally {
    process.env['PATH'] = path;
  }
});
