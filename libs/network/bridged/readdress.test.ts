import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ipToText } from '../userspace/addresses.js';
import { ACK, tcpFrame, udpFrame } from './packets.fake.js';
import { readdress } from './readdress.js';

const endpoint = fc.record({
  ip: fc.nat({ max: 0xffffffff }).map(ipToText),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const text = fc.string({ maxLength: 40 }).map((any) => Buffer.from(any).toString('latin1'));

test('a readdressed segment is the one that was sent there', () => {
  fc.assert(
    fc.property(endpoint, endpoint, endpoint, text, (src, shown, meant, said) => {
      const frame = tcpFrame(src, shown, { flags: ACK, sequence: 5, text: said });
      readdress(frame, meant);
      expect(frame).toEqual(tcpFrame(src, meant, { flags: ACK, sequence: 5, text: said }));
    }),
  );
});

test('so is a datagram, or has the other zero of its checksum', () => {
  fc.assert(
    fc.property(endpoint, endpoint, endpoint, text, (src, shown, meant, said) => {
      const frame = udpFrame(src, shown, said);
      readdress(frame, meant);
      if (frame.readUInt16BE(40) === 0) frame.writeUInt16BE(0xffff, 40);
      expect(frame).toEqual(udpFrame(src, meant, said));
    }),
  );
});

test('a checksum that the network card was to fill in stays wrong, one that is none stays none', () => {
  const [src, shown, meant] = [9, 10, 11].map((last) => ({ ip: `10.0.0.${last}`, port: last }));
  if (src === undefined || shown === undefined || meant === undefined) throw new Error('three');
  const wrong = tcpFrame(src, shown, { flags: ACK });
  wrong.writeUInt16BE(0x1234, 50);
  readdress(wrong, meant);
  expect(wrong.readUInt16BE(50)).not.toBe(tcpFrame(src, meant, { flags: ACK }).readUInt16BE(50));
  const none = udpFrame(src, shown, 'x');
  none.writeUInt16BE(0, 40);
  readdress(none, meant);
  expect(none.readUInt16BE(40)).toBe(0);
});

test('any bytes are taken without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), endpoint, (bytes, to) => {
      const frame = Buffer.from(bytes);
      if (frame.length > 14) frame.writeUInt16BE(0x0800, 12);
      readdress(frame, to);
      expect(frame).toHaveLength(bytes.length);
    }),
  );
});
