import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { PcapReader } from './pcap-reader.js';

interface Read {
  readonly packets: { time: number; offset: number; linkType: number; data: string }[];
  readonly problem: string | null;
}

function read(bytes: Uint8Array, chunk = Math.max(1, bytes.length)): Read {
  const packets: Read['packets'] = [];
  const reader = new PcapReader(({ data, ...rest }) => packets.push({ ...rest, data: data.toString('hex') }));
  for (let at = 0; at < bytes.length; at += chunk) reader.push(bytes.subarray(at, at + chunk));
  reader.finish();
  return { packets, problem: reader.problem };
}

/** Unsigned 32-bit numbers in one byte order; buffers as they are. */
function fields(little: boolean, ...parts: (number | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part !== 'number') return part;
      const bytes = Buffer.alloc(4);
      if (little) bytes.writeUInt32LE(part);
      else bytes.writeUInt32BE(part);
      return bytes;
    }),
  );
}

function classic(little: boolean, magic: number, fraction: number): Buffer {
  const head = fields(little, magic, little ? 0x00040002 : 0x00020004, 0, 0, 65535, 1);
  return Buffer.concat([head, fields(little, 1000, fraction, 3, 3, Buffer.from('abc'))]);
}

function ng(little: boolean): Buffer {
  const block = (type: number, ...body: (number | Buffer)[]): Buffer => {
    const content = fields(little, ...body);
    return fields(little, type, content.length + 12, content, content.length + 12);
  };
  const short = (a: number, b: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (little) {
      bytes.writeUInt16LE(a, 0);
      bytes.writeUInt16LE(b, 2);
    } else {
      bytes.writeUInt16BE(a, 0);
      bytes.writeUInt16BE(b, 2);
    }
    return bytes;
  };
  const nanoseconds = Buffer.concat([short(9, 1), Buffer.from([9, 0, 0, 0])]);
  const ticks = 1000_500_000_000n;
  return Buffer.concat([
    block(0x0a0d0d0a, 0x1a2b3c4d, short(1, 0), 0xffffffff, 0xffffffff),
    block(1, short(113, 0), 65535, nanoseconds, short(0, 0)),
    block(0xbad, Buffer.alloc(400)),
    block(6, 0, Number(ticks >> 32n), Number(ticks & 0xffffffffn), 3, 3, Buffer.from('abc\0')),
    block(3, 2, Buffer.from('xy\0\0')),
  ]);
}

describe('PcapReader', () => {
  test.each([
    ['microseconds, little-endian', true, 0xa1b2c3d4, 500_000],
    ['microseconds, big-endian', false, 0xa1b2c3d4, 500_000],
    ['nanoseconds, little-endian', true, 0xa1b23c4d, 500_000_000],
    ['nanoseconds, big-endian', false, 0xa1b23c4d, 500_000_000],
  ])('classic format, %s', (_, little, magic, fraction) => {
    expect(read(classic(little, magic, fraction))).toEqual({
      packets: [{ time: 1000.5, offset: 24, linkType: 1, data: '616263' }],
      problem: null,
    });
  });

  test.each([true, false])('pcapng, little-endian: %s', (little) => {
    expect(read(ng(little))).toEqual({
      packets: [
        { time: 1000.5, offset: 472, linkType: 113, data: '616263' },
        { time: 0, offset: 508, linkType: 113, data: '7879' },
      ],
      problem: null,
    });
  });

  test.each([1, 3, 16, 1000])('chunks of %i bytes give the same packets', (chunk) => {
    const capture = readFileSync('test/fixtures/strace/dropper.pcap');
    expect(read(capture, chunk)).toEqual(read(capture));
    expect(read(capture).packets).toHaveLength(16);
    expect(read(ng(true), chunk)).toEqual(read(ng(true)));
  });

  test('a capture that was cut gives what is whole, and says so', () => {
    const capture = readFileSync('test/fixtures/strace/dropper.pcap');
    const { packets, problem } = read(capture.subarray(0, -10));
    expect(packets).toHaveLength(15);
    expect(problem).toMatch(/ends inside a packet/);
  });

  test('an absurd length ends the reading', () => {
    const bad = Buffer.concat([classic(true, 0xa1b2c3d4, 0), fields(true, 1000, 0, 0x7fffffff, 0)]);
    expect(read(bad)).toMatchObject({
      packets: [{ time: 1000 }],
      problem: 'a packet of 2147483647 bytes (offset 43)',
    });
  });

  test('any bytes are read without an error', () => {
    const start = fc.constantFrom(classic(true, 0xa1b2c3d4, 1), ng(true), ng(false), Buffer.alloc(0));
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 300 }), fc.nat(200), (head, tail, flip) => {
        const bytes = Buffer.concat([head, tail]);
        if (bytes.length > 0) bytes[flip % bytes.length] = flip & 255;
        read(bytes);
        read(bytes, 5);
      }),
    );
  });
});
