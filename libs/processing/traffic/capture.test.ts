import { expect, test } from '@jest/globals';
import { CaptureBuilder, type Capture } from './capture.js';

/** A classic capture of raw IP packets, one second apart. */
function capture(...packets: Buffer[]): Capture {
  const builder = new CaptureBuilder();
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt32LE(101, 20);
  builder.push(head);
  for (const [second, packet] of packets.entries()) {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1000 + second, 0);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    builder.push(Buffer.concat([record, packet]));
  }
  return builder.finish();
}

function ipv4(protocol: number, from: number, to: number, payload: Buffer): Buffer {
  const head = Buffer.from([0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
  head.writeUInt16BE(20 + payload.length, 2);
  return Buffer.concat([head, payload]);
}

function tcp(
  from: [number, number],
  to: [number, number],
  flags: number,
  sequence: number,
  text = '',
): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt16BE(from[1], 0);
  head.writeUInt16BE(to[1], 2);
  head.writeUInt32BE(sequence, 4);
  head[12] = 0x50;
  head[13] = flags;
  return ipv4(6, from[0], to[0], Buffer.concat([head, Buffer.from(text)]));
}

const [SYN, ACK] = [2, 16];
const guest: [number, number] = [1, 4000];
const server: [number, number] = [2, 80];

test('the same ports again are another connection, a repeated SYN is not', () => {
  const { flows } = capture(
    tcp(guest, server, SYN, 100),
    tcp(guest, server, SYN, 100),
    tcp(server, guest, SYN | ACK, 900),
    tcp(guest, server, ACK, 101, 'one'),
    tcp(guest, server, SYN, 5000),
    tcp(server, guest, SYN | ACK, 70),
    tcp(guest, server, ACK, 5001, 'two'),
  );
  expect(flows.map((flow) => [flow.client.bytes().toString(), flow.bytesOut, flow.time])).toEqual([
    ['one', 3, 1000],
    ['two', 3, 1004],
  ]);
});

test('a capture that begins with the answer knows who called', () => {
  const { flows } = capture(tcp(server, guest, SYN | ACK, 900), tcp(guest, server, ACK, 101, 'hi'));
  expect(flows).toMatchObject([{ src: '10.0.0.1', dport: 80, bytesOut: 2, bytesIn: 0 }]);
});

test('attempts that nobody answered', () => {
  const { flows } = capture(tcp(guest, server, SYN, 100), tcp(server, guest, 4 | ACK, 0));
  expect(flows).toMatchObject([{ answered: false, synSequence: 100 }]);
});

test('pings are listed, the talk of IPv6 neighbours is not', () => {
  const ping = ipv4(1, 1, 2, Buffer.from('08000000000000006162', 'hex'));
  const neighbour = Buffer.from(
    `60000000000c3aff${'fe80'.padEnd(32, '0')}${'ff02'.padEnd(32, '0')}88000000000000000102`,
    'hex',
  );
  expect(capture(ping, neighbour).icmp).toEqual([
    { src: '10.0.0.1', dst: '10.0.0.2', type: 8, data: Buffer.from('ab') },
  ]);
});
