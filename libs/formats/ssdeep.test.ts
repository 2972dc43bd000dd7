import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Ssdeep } from './ssdeep.js';

/** Made with Debian's ssdeep 2.14.1: `ssdeep -b` of the bytes that `content` gives. */
const vectors = JSON.parse(readFileSync('test/fixtures/ssdeep/vectors.json', 'utf8')) as {
  kind: string;
  size: number;
  hash: string;
}[];

/** xorshift32 bytes shaped by kind; the seed is size + length of the kind's name. */
function content(kind: string, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let x = size + kind.length;
  for (let i = 0; i < size; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    if (kind === 'random') bytes[i] = x & 255;
    if (kind === 'text') bytes[i] = x % 7 === 0 ? 32 : 97 + (x % 26);
    if (kind === 'low') bytes[i] = x & 3;
    if (kind === 'period') bytes[i] = (i * 7) % 97;
  }
  return bytes;
}

function hash(bytes: Uint8Array, chunk = bytes.length): string {
  const ssdeep = new Ssdeep();
  for (let at = 0; at < bytes.length; at += chunk) ssdeep.update(bytes.subarray(at, at + chunk));
  return ssdeep.finish();
}

describe('Ssdeep', () => {
  test.each(vectors)(
    'agrees with ssdeep 2.14.1 on $size bytes of $kind',
    ({ kind, size, hash: expected }) => {
      expect(hash(content(kind, size))).toBe(expected);
    },
  );

  test.each([1, 7, 1000])('chunks of %i bytes change nothing', (chunk) => {
    const bytes = content('text', 10_000);
    expect(hash(bytes, chunk)).toBe(hash(bytes));
  });
});
