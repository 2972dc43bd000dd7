import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { JsonCheck } from './json-check.js';

/** Whether these bytes are taken, given in pieces of `size` bytes. */
function taken(bytes: Buffer, size: number): boolean {
  const check = new JsonCheck();
  try {
    for (let at = 0; at < bytes.length; at += size) check.add(bytes.subarray(at, at + size));
    check.end();
    return true;
  } catch {
    return false;
  }
}

/** What JSON.parse says of it. */
function isObject(bytes: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    );
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const sizes = fc.integer({ min: 1, max: 40 });

test('every object is taken, wherever it is cut', () => {
  const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue());
  fc.assert(
    fc.property(object, fc.nat(4), sizes, (value, indent, size) => {
      const bytes = Buffer.from(JSON.stringify(value, null, indent));
      expect(taken(bytes, size)).toBe(true);
      expect(taken(bytes.subarray(0, -1), size)).toBe(false);
    }),
  );
});

test('of anything that is nearly JSON it says what JSON.parse says', () => {
  const piece = fc.constantFrom(
    '{', '}', '[', ']', ',', ':', '"', '"a"', '"a":', '\\', '\\u', '\\u00e', '\\n', '0', '-', '1', '.', 'e', '+', '1.5e-3', '01',
    'true', 'false', 'null', 'nul', 'x', ' ', '\n', '\t', '\u0001', 'é', '\ufeff', '{"a":', '[1,', '}}', '"\\ud800"',
  ); // prettier-ignore
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), sizes, (pieces, wrapped, size) => {
      const text = pieces.join('');
      const bytes = Buffer.from(wrapped ? `{"a":${text}}` : text);
      expect(taken(bytes, size)).toBe(isObject(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('and of an object in which one byte was changed', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 });
  fc.assert(
    fc.property(object, fc.nat(), fc.nat(255), sizes, (value, where, byte, size) => {
      const bytes = Buffer.from(JSON.stringify(value));
      bytes[where % bytes.length] = byte;
      expect(taken(bytes, size)).toBe(isObject(bytes));
    }),
    { numRuns: 1000 },
  );
});

describe('what is wrong is told with its place', () => {
  test.each([
    ['{"a": tru}', 'no value, near byte 9'],
    ['{"a": 1', 'the end in the middle, near byte 7'],
    ['[1]', 'not {, near byte 0'],
    ['{"a" 1}', 'not :, near byte 5'],
    ['{} {', 'not nothing more'],
    ['<html>', 'not {'],
    ['', 'the end in the middle'],
  ])('%s', (text, message) => {
    const check = new JsonCheck();
    expect(() => {
      check.add(Buffer.from(text));
      check.end();
    }).toThrow(message);
  });

  test('bytes that are not UTF-8, also at the end', () => {
    expect(() => new JsonCheck().add(Buffer.from([0x7b, 0x22, 0xff]))).toThrow('not UTF-8');
    const check = new JsonCheck();
    check.add(Buffer.from([0x7b, 0x7d, 0xc3]).subarray(0, 2));
    expect(() => check.add(Buffer.from([0xc3, 0x28]))).toThrow('not UTF-8');
  });
});

test('depth and the length of a number are bounded', () => {
  expect(taken(Buffer.from(`{"a":${'['.repeat(9999)}${']'.repeat(9999)}}`), 1000)).toBe(true);
  expect(taken(Buffer.from(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`), 1000)).toBe(false);
  expect(taken(Buffer.from(`{"a":${'1'.repeat(1000)}}`), 1000)).toBe(true);
  expect(taken(Buffer.from(`{"a":${'1'.repeat(100_000)}}`), 1000)).toBe(false);
});
