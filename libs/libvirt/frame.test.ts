import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LibvirtProtocolError } from './error.js';
import { encodeFrame, FrameSplitter, MAX_FRAME, PROGRAM, type Frame } from './frame.js';

const frame = (serial: number, body: Buffer): Frame => ({
  program: PROGRAM.remote,
  procedure: 212,
  type: 1,
  serial,
  status: 0,
  body,
});

test('chunk borders mean nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(2000), { maxLength: 20 }),
      (bodies, cuts) => {
        const sent = bodies.map((body, serial) => frame(serial, Buffer.from(body)));
        const bytes = Buffer.concat(sent.map(encodeFrame));
        const borders = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const splitter = new FrameSplitter();
        const got = borders.slice(1).flatMap((end, at) => splitter.push(bytes.subarray(borders[at], end)));
        expect(got).toEqual(sent);
      },
    ),
  );
});

test('frames that were handed out stay as they are while more comes', () => {
  const splitter = new FrameSplitter();
  const bytes = encodeFrame(frame(1, Buffer.from('first')));
  splitter.push(bytes.subarray(0, 10));
  const [first] = splitter.push(Buffer.concat([bytes.subarray(10), bytes.subarray(0, 20)]));
  splitter.push(Buffer.alloc(13, 0xff));
  expect(first?.body.toString()).toBe('first');
});

test('no bytes make the splitter do more than refuse', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (chunks) => {
      const splitter = new FrameSplitter();
      try {
        for (const chunk of chunks) splitter.push(Buffer.from(chunk));
      } catch (error) {
        if (!(error instanceof LibvirtProtocolError)) throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

test('a frame of the largest size is taken, byte by byte too; a larger one is not begun', () => {
  const splitter = new FrameSplitter();
  const bytes = encodeFrame(frame(1, Buffer.alloc(MAX_FRAME - 28)));
  expect(splitter.push(bytes)).toHaveLength(1);
  let got = 0;
  for (let at = 0; at < bytes.length; at += 1000) got += splitter.push(bytes.subarray(at, at + 1000)).length;
  expect(got).toBe(1);
  const header = Buffer.alloc(28);
  header.writeUInt32BE(MAX_FRAME + 1);
  expect(() => splitter.push(header)).toThrow('a frame of 16777221 bytes; 28 to 16777220 are accepted');
  expect(() => encodeFrame(frame(1, Buffer.alloc(MAX_FRAME)))).toThrow(RangeError);
});

test('a frame too short for its header, and one of another version, are refused', () => {
  const short = Buffer.alloc(4);
  short.writeUInt32BE(27);
  expect(() => new FrameSplitter().push(short)).toThrow(LibvirtProtocolError);
  const other = encodeFrame(frame(1, Buffer.alloc(0)));
  other.writeUInt32BE(2, 8);
  expect(() => new FrameSplitter().push(other)).toThrow('protocol version 2');
});
