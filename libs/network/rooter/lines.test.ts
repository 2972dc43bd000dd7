import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lines } from './lines.js';

async function all(chunks: readonly Buffer[], most = 100): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const line of lines(Readable.from(chunks, { objectMode: false }), most)) found.push(line);
  return found;
}

test('how a stream is cut into chunks changes no line', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\n', ' '))),
      fc.array(fc.nat(200), { maxLength: 20 }),
      async (texts, cuts) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
        const at = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const given = texts.map((text) => Buffer.from(text).toString());
        expect(await all(chunks.filter(({ length }) => length > 0))).toEqual(given);
      },
    ),
  );
});

test('a line that is too long is refused, with and without its end', async () => {
  const long = Buffer.alloc(101, 'x');
  await expect(all([long])).rejects.toThrow(RangeError);
  await expect(all([Buffer.concat([long, Buffer.from('\n')])])).rejects.toThrow('more than 100 bytes');
  await expect(all([long.subarray(0, 60), long.subarray(0, 60)])).rejects.toThrow(RangeError);
  expect(await all([Buffer.from(`${'x'.repeat(100)}\nrest`)])).toEqual(['x'.repeat(100)]);
});
