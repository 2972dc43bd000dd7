import { deflateRawSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rawZip } from '../../test/support/archives.js';
import { findZipMember, type Bytes } from './zip-member.js';

const bytes = (content: Buffer): Bytes => ({
  size: content.length,
  read: async (at, length) => content.subarray(at, at + length),
});

test('finds each member where it is', async () => {
  const members = ['a', 'folder/ü.sh', 'folder/b'].map((name, n) => ({ name, content: `content ${n}` }));
  const zip = rawZip(members);
  for (const { name, content } of members) {
    const found = await findZipMember(bytes(zip), name);
    expect(found).toMatchObject({ method: 'stored', size: content.length });
    const at = found?.at ?? 0;
    expect(zip.subarray(at, at + content.length).toString()).toBe(content);
  }
  expect(await findZipMember(bytes(zip), 'c')).toBeNull();
});

test('no file whatsoever makes it fail, loop or read beyond its end', async () => {
  const zip = rawZip([{ name: 'a', content: deflateRawSync('a') }]);
  const damaged = fc.array(fc.tuple(fc.nat(zip.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
    const copy = Buffer.from(zip);
    for (const [at, byte] of changes) copy[at] = byte;
    return copy;
  });
  const any = fc.oneof(
    damaged,
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
  );
  await fc.assert(
    fc.asyncProperty(any, async (content) => {
      const found = await findZipMember(bytes(content), 'a');
      expect(found === null || found.at >= 0).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
