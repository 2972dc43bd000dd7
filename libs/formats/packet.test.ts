import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FragmentJoiner } from './ip-fragments.js';
import { readFrame, readIp, readTcp, readUdp, type IpPacket } from './packet.js';

const hex = (...parts: string[]): Buffer => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');

const UDP = '1234 0035 000b 0000 616263';
const IPV4 = `4500 001f 0001 0000 4011 0000 0a000001 cb007105 ${UDP}`;
const IPV6 = `60000000 000b 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002 ${UDP}`;

describe('frames', () => {
  test.each([
    ['Ethernet', 1, `000000000000 000000000000 0800 ${IPV4}`],
    ['Ethernet with two VLAN tags', 1, `000000000000 000000000000 88a8 0001 8100 0002 0800 ${IPV4}`],
    ['raw IP', 101, IPV4],
    ['BSD loopback', 0, `02000000 ${IPV4}`],
    ['Linux cooked', 113, `0000 0001 0006 0000000000000000 0800 ${IPV4}`],
    ['Linux cooked, version 2', 276, `0800 0000 00000001 0001 00 06 0000000000000000 ${IPV4}`],
  ])('%s', (_, linkType, frame) => {
    const packet = readFrame(linkType, hex(frame));
    expect(packet).toMatchObject({ src: '10.0.0.1', dst: '203.0.113.5', protocol: 17, fragment: null });
    expect(readUdp(packet?.payload ?? Buffer.alloc(0))).toEqual({
      sport: 0x1234,
      dport: 53,
      payload: Buffer.from('abc'),
    });
  });

  test('padding behind the packet is no payload', () => {
    expect(
      readFrame(1, hex(`000000000000 000000000000 0800 ${IPV4}`, '00'.repeat(20)))?.payload,
    ).toHaveLength(11);
  });

  test('IPv6, with extension headers', () => {
    expect(readIp(hex(IPV6))).toMatchObject({ src: '2001:db8::1', dst: '2001:db8::2', protocol: 17 });
    const extended = hex(
      '60000000 001b 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002',
      '3c00 000000000000 1100 000000000000',
      UDP,
    );
    expect(readUdp(readIp(extended)?.payload ?? Buffer.alloc(0))?.payload).toEqual(Buffer.from('abc'));
  });

  test('TCP flags and options', () => {
    expect(readTcp(hex('1234 0050 00000007 00000000 6012 0000 0000 0000 020405b4 6869'))).toEqual({
      sport: 0x1234,
      dport: 80,
      sequence: 7,
      syn: true,
      ack: true,
      fin: false,
      rst: false,
      payload: Buffer.from('hi'),
    });
  });

  test('any bytes of any link type are read without an error', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 1, 9, 12, 101, 113, 276, 999), fc.uint8Array(), (linkType, bytes) => {
        const packet = readFrame(linkType, Buffer.from(bytes));
        if (packet === null) return;
        readTcp(packet.payload);
        readUdp(packet.payload);
      }),
    );
  });
});

describe('fragments', () => {
  const piece = (offset: number, text: string, more: boolean, id = 1): IpPacket => ({
    src: '10.0.0.1',
    dst: '10.0.0.2',
    protocol: 17,
    payload: Buffer.from(text),
    fragment: { id, offset, more },
  });

  test('are joined in any order, the first at a place wins', () => {
    const joiner = new FragmentJoiner();
    expect(joiner.add(piece(8, 'BBBB', false))).toBeNull();
    expect(joiner.add(piece(8, 'XXXX', false))).toBeNull();
    expect(joiner.add(piece(0, 'AAAAAAAA', true))).toMatchObject({
      payload: Buffer.from('AAAAAAAABBBB'),
      fragment: null,
    });
  });

  test('with a hole are nothing, and old ones make room', () => {
    const joiner = new FragmentJoiner();
    expect(joiner.add(piece(0, 'AAAAAAAA', true, 7))).toBeNull();
    for (let id = 100; id < 200; id++) expect(joiner.add(piece(16, 'CC', false, id))).toBeNull();
    expect(joiner.add(piece(8, 'BBBB', false, 7))).toBeNull();
  });
});
