import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LibvirtProtocolError } from './error.js';
import { MAX_STRING, XdrReader, XdrWriter } from './xdr.js';

test('what is written is read again', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.integer(),
      fc.nat(),
      fc.option(fc.string()),
      fc.uint8Array(),
      (text, int, uint, maybe, bytes) => {
        const opaque = Buffer.from(bytes);
        const writer = new XdrWriter().string(text).int(int).uint(uint).opaque(opaque);
        const written = writer.optional(maybe, (to, value) => to.string(value)).end();
        expect(written.length % 4).toBe(0);
        const reader = new XdrReader(written);
        expect(reader.string()).toBe(text);
        expect(reader.int()).toBe(int);
        expect(reader.uint()).toBe(uint);
        expect(reader.opaque(opaque.length).equals(opaque)).toBe(true);
        expect(reader.optional((from) => from.string())).toBe(maybe);
        expect(reader.left).toBe(0);
      },
    ),
  );
});

test('the example of RFC 4506', () => {
  expect(new XdrWriter().string('sillyprog').end().toString('hex')).toBe('0000000973696c6c7970726f67000000');
});

test('no bytes make the reader do more than refuse', () => {
  const reads = ['uint', 'int', 'hyper', 'bool', 'string'] as const;
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.constantFrom(...reads, 'opaque', 'list')),
      (bytes, order) => {
        const reader = new XdrReader(Buffer.from(bytes));
        try {
          for (const what of order) {
            if (what === 'opaque') reader.opaque(5);
            else if (what === 'list') reader.list((from) => from.string());
            else reader[what]();
          }
        } catch (error) {
          if (!(error instanceof LibvirtProtocolError)) throw error;
        }
        expect(reader.left).toBeGreaterThanOrEqual(0);
      },
    ),
    { numRuns: 1000 },
  );
});

test.each([
  [
    'a string that is longer than it may be',
    new XdrWriter().uint(MAX_STRING + 1),
    'string',
    '4194304 are accepted',
  ],
  [
    'a string that is longer than what came',
    new XdrWriter().uint(8).uint(0),
    'string',
    '8 bytes expected at 4, where 4',
  ],
  ['a truth value of 2', new XdrWriter().uint(2), 'bool', 'neither 0 nor 1'],
  ['half a number', new XdrWriter(), 'uint', '4 bytes expected at 0, where 0 are left'],
] as const)('%s is refused', (_what, writer, read, message) => {
  expect(() => new XdrReader(writer.end())[read]()).toThrow(message);
});

test('a string whose padding is missing is refused', () => {
  const bytes = new XdrWriter().string('hello').end();
  expect(() => new XdrReader(bytes.subarray(0, -1)).string()).toThrow(LibvirtProtocolError);
});

test('a list that says it is long costs nothing', () => {
  const lists = [0xffff_ffff, 16_385, 16_384].map(
    (length) => new XdrReader(new XdrWriter().uint(length).end()),
  );
  for (const reader of lists)
    expect(() => reader.list((from) => from.string())).toThrow(LibvirtProtocolError);
});

test('what libvirt would not take is not sent', () => {
  expect(() => new XdrWriter().string('x'.repeat(MAX_STRING + 1))).toThrow(RangeError);
});
