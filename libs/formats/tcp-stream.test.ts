import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TcpStream } from './tcp-stream.js';

const TEXT = Buffer.from('The quick brown fox jumps over the lazy dog');

test.each([0, 5, 0xffffffff, 0xfffffff0])(
  'segments in any order, repeated, from sequence number %i',
  (isn) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(TEXT.length - 1), fc.nat(12)), { maxLength: 30 }), (cuts) => {
        const stream = new TcpStream(1000);
        stream.begin(isn);
        const whole = cuts.concat(Array.from({ length: 5 }, (_, i) => [i * 10, 10]));
        for (const [from, length] of whole) {
          stream.add((isn + 1 + from) >>> 0, TEXT.subarray(from, from + length), from);
        }
        expect(stream.bytes()).toEqual(TEXT);
      }),
    );
  },
);

test('a hole ends what is known', () => {
  const stream = new TcpStream(1000);
  stream.begin(0);
  stream.add(1, Buffer.from('abc'), 1);
  stream.add(7, Buffer.from('ghi'), 3);
  expect(stream.bytes().toString()).toBe('abc');
  stream.add(4, Buffer.from('def'), 2);
  expect(stream.bytes().toString()).toBe('abcdefghi');
  expect([0, 2, 3, 8].map((offset) => stream.timeAt(offset))).toEqual([1, 1, 2, 3]);
});

test('only the beginning is kept', () => {
  const stream = new TcpStream(4);
  stream.begin(0);
  expect(stream.add(1, TEXT, 1)).toBe(4);
  expect(stream.add(100, TEXT, 1)).toBe(0);
  expect(stream.bytes()).toEqual(TEXT.subarray(0, 4));
});

test('without a SYN it begins where the capture does', () => {
  const stream = new TcpStream(1000);
  stream.add(1000, Buffer.from('def'), 2);
  stream.add(997, Buffer.from('abc'), 1);
  expect(stream.bytes().toString()).toBe('abcdef');
});
