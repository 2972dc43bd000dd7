import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertificateAuthority } from '../fakenet/ca.js';
import { DEFAULT_ADDRESSES, ipToNumber, macToBytes, RESULT_SERVER } from './addresses.js';
import { checksum, sumWords } from './checksum.js';
import { FakeGuest } from './guest.fake.js';
import { MAX_FRAME_BYTES, viewOf } from './framing.js';
import { UserspaceNetwork } from './network.js';
import type { Recording } from './recording.js';

let folder: string;
let network: UserspaceNetwork;
let guest: FakeGuest;
let recording: Recording;
let frames: Buffer[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malkoha-link-'));
  const ca = await CertificateAuthority.create();
  network = await UserspaceNetwork.listen({ socketPath: join(folder, 'net.sock'), ca });
  guest = await FakeGuest.connect(network.socketPath);
  recording = await network.open({
    route: 'inetsim',
    pcapPath: join(folder, 'dump.pcap'),
    fakenetPath: join(folder, 'fakenet.jsonl'),
    onResult: (stream) => stream.destroy(),
    resultServer: RESULT_SERVER,
  });
  frames = [];
  guest.onFrame = (frame) => frames.push(frame);
  await sleep(20);
  frames.length = 0;
});

afterEach(async () => {
  guest.kill();
  await network[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function reply(): Promise<Buffer> {
  for (let i = 0; frames.length === 0 && i < 200; i++) await sleep(5);
  const frame = frames.shift();
  if (frame === undefined) throw new Error('no reply');
  return frame;
}

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const guestMac = '525400123456';

describe('ARP', () => {
  const request = (sender: string, target: string): Buffer =>
    bytes(`ffffffffffff ${guestMac} 0806 0001 0800 0604 0001 ${guestMac} ${sender} 000000000000 ${target}`);

  test('every address is ours', async () => {
    guest.raw(request('0a00020f', '0a0002fe'));
    const arp = await reply();
    expect(arp.subarray(0, 6).toString('hex')).toBe(guestMac);
    expect(arp.subarray(20, 22)).toEqual(bytes('0002'));
    expect(arp.subarray(22, 28)).toEqual(macToBytes(DEFAULT_ADDRESSES.gatewayMac));
    expect(arp.subarray(28, 32)).toEqual(bytes('0a0002fe'));
  });

  test.each([
    ['a probe for its own address', '00000000', '0a00020f'],
    ['an announcement', '0a00020f', '0a00020f'],
  ])('%s is not answered', async (_what, sender, target) => {
    guest.raw(request(sender, target));
    await sleep(30);
    expect(frames).toEqual([]);
  });
});

test('an echo request is answered with its payload', async () => {
  const echo = bytes('0800 0000 0007 0001 70696e67 70');
  echo.writeUInt16BE(checksum(sumWords(viewOf(echo), 0, echo.length)), 2);
  guest.ip4(ipToNumber('8.8.8.8'), 1, echo);
  const icmp = (await reply()).subarray(34);
  expect(icmp[0]).toBe(0);
  expect(checksum(sumWords(viewOf(icmp), 0, icmp.length))).toBe(0);
  expect(icmp.subarray(4)).toEqual(echo.subarray(4));
});

describe('DHCP', () => {
  function message(type: number, options = ''): Buffer {
    const fixed = Buffer.alloc(240);
    fixed.write('0101060012345678', 'hex');
    fixed.write(guestMac, 28, 'hex');
    fixed.write('63825363', 236, 'hex');
    return Buffer.concat([fixed, bytes(`35010${type} ${options} ff`)]);
  }

  async function exchange(payload: Buffer): Promise<Buffer> {
    guest.udp('255.255.255.255', 67, payload, 68);
    return (await reply()).subarray(42);
  }

  test('offers and gives the one address, with gateway and name server', async () => {
    const offer = await exchange(message(1));
    expect(offer.readUInt32BE(16)).toBe(ipToNumber(DEFAULT_ADDRESSES.guestIp));
    expect(offer.subarray(240, 243)).toEqual(bytes('350102'));
    const acknowledged = await exchange(message(3, '3204 0a00020f'));
    expect(acknowledged.subarray(240, 243)).toEqual(bytes('350105'));
    expect(acknowledged.includes(bytes('0304 0a000202'))).toBe(true);
    expect(acknowledged.includes(bytes('0604 0a000203'))).toBe(true);
  });

  test('refuses another address', async () => {
    expect((await exchange(message(3, '3204 0a000263'))).subarray(240, 243)).toEqual(bytes('350106'));
  });
});

test('NTP tells the real time', async () => {
  const request = Buffer.alloc(48);
  request.writeUInt8(0x23, 0);
  guest.udp('203.0.113.7', 123, request);
  const answer = (await reply()).subarray(42);
  expect(answer.readUInt8(0) & 7).toBe(4);
  expect(Math.abs(answer.readUInt32BE(40) - 2_208_988_800 - Date.now() / 1000)).toBeLessThan(2);
});

describe('hostile frames', () => {
  test('a wrong checksum and a fragment are counted, captured, and not acted upon', async () => {
    const before = recording.packets;
    const syn = bytes('8000 0050 00000001 00000000 5002 ffff dead 0000');
    guest.ip4(ipToNumber('8.8.8.8'), 6, syn);
    const fragment = bytes(
      `52550a000202 ${guestMac} 0800 4500 0020 0001 2000 4011 0000 0a00020f 08080808 000000000000000000000000`,
    );
    fragment.writeUInt16BE(checksum(sumWords(viewOf(fragment), 14, 34)), 24);
    guest.raw(fragment);
    await sleep(50);
    expect(network.counters).toMatchObject({ badChecksum: 1, fragments: 1 });
    expect(recording.packets).toBe(before + 2);
    expect(frames).toEqual([]);
  });

  test('nothing a guest can put in frames hurts: afterwards all works', async () => {
    const header = fc.constantFrom(
      `52550a000202 ${guestMac} 0800`,
      `ffffffffffff ${guestMac} 0806 0001 0800 0604`,
      `52550a000202 ${guestMac} 86dd`,
      `52550a000202 ${guestMac} 0800 4500`,
    );
    const ip = (protocol: number): fc.Arbitrary<Buffer> =>
      fc.uint8Array({ maxLength: 200 }).map((payload) => {
        const head = bytes(
          `52550a000202 ${guestMac} 0800 4500 0000 0001 0000 40${protocol.toString(16).padStart(2, '0')} 0000 0a00020f 08080808`,
        );
        head.writeUInt16BE(20 + payload.length, 16);
        head.writeUInt16BE(checksum(sumWords(viewOf(head), 14, 34)), 24);
        return Buffer.concat([head, payload]);
      });
    const raw = fc
      .tuple(header, fc.uint8Array({ maxLength: 120 }))
      .map(([head, rest]) => Buffer.concat([bytes(head), rest]));
    const frame = fc.oneof(
      raw,
      ip(1),
      ip(6),
      ip(17),
      fc.uint8Array({ maxLength: 60 }).map((b) => Buffer.from(b)),
    );
    fc.assert(
      fc.property(frame, (f) => guest.raw(f)),
      { numRuns: 5000 },
    );
    const stream = await guest.dial('198.51.100.1', 4444);
    stream.end();
    expect(network.counters?.malformed).toBeGreaterThan(0);
  });

  test('a length that QEMU never sends ends the link, and a new one can come', async () => {
    const socket = connect(network.socketPath);
    await once(socket, 'connect');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(MAX_FRAME_BYTES + 1);
    socket.write(length);
    await once(socket.on('error', () => undefined).resume(), 'close');
    guest = await FakeGuest.connect(network.socketPath);
    (await guest.dial('198.51.100.1', 4444)).end();
  });

  test('frames cut anywhere are put together again', async () => {
    const socket = connect(network.socketPath);
    await once(socket, 'connect');
    const request = bytes(
      `ffffffffffff ${guestMac} 0806 0001 0800 0604 0001 ${guestMac} 0a00020f 000000000000 0a000202`,
    );
    const framed = Buffer.concat([bytes('0000002a'), request, bytes('0000002a'), request]);
    let got = 0;
    socket.on('data', (chunk: Buffer) => (got += chunk.length));
    await sleep(20);
    got = 0;
    for (const byte of framed) {
      socket.write(Buffer.from([byte]));
      await sleep(0);
    }
    await sleep(50);
    expect(got).toBe(2 * 46);
    socket.destroy();
  });
});

test('a new QEMU takes the place of the old one, whose connections fail', async () => {
  guest.listening.add(8000);
  guest.onAccept = (stream) => stream.resume();
  const call = await network.dial(8000, new AbortController().signal);
  const failed = new Promise((resolve) => call.once('close', resolve));
  const next = await FakeGuest.connect(network.socketPath);
  await failed;
  expect(call.errored).toMatchObject({ code: 'ECONNRESET' });
  (await next.dial('198.51.100.1', 4444)).end();
  next.kill();
});
