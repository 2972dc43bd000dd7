import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Endpoint } from '#domain/artifacts.js';
import { ACK, SYN, tcpFrame, udpFrame } from './packets.fake.js';
import { Sightings } from './sightings.js';

const GUEST = '192.168.56.101';
const HOST = '192.168.56.1';
const guest: Endpoint = { ip: GUEST, port: 40_000 };
const site: Endpoint = { ip: '198.18.0.11', port: 80 };
/** Where the rooter turns it. */
const ours: Endpoint = { ip: HOST, port: 33_333 };

let seen: Sightings;
let offset: number;
beforeEach(() => {
  seen = new Sightings(GUEST, [HOST]);
  offset = 24;
});

function see(frame: Buffer): Endpoint | null {
  const packet = { time: 0, linkType: 1, data: frame, offset };
  offset += 100;
  return seen.see(packet);
}
const syn = (to: Endpoint, sequence = 100) => see(tcpFrame(guest, to, { flags: SYN, sequence }));
const synAck = (from: Endpoint, ack = 101) => see(tcpFrame(from, guest, { flags: SYN | ACK, ack }));
const says = (to: Endpoint) => see(tcpFrame(guest, to, { flags: ACK, sequence: 101, text: 'GET' }));

describe('a capture that shows packets as they were sent', () => {
  test('tells where a connection goes, before and after it is asked', async () => {
    const asked = seen.connection(guest.port);
    expect(syn(site)).toBeNull();
    expect(await asked).toEqual(site);
    expect(says(site)).toBeNull();
    expect(seen.belated).toEqual([]);
  });

  test('tells it once: the same port again is another connection, a repeated SYN is not', async () => {
    syn(site);
    expect(await seen.connection(guest.port)).toEqual(site);
    syn(site);
    const next = seen.connection(guest.port);
    const other = { ip: '203.0.113.9', port: 4444 };
    syn(other, 500);
    expect(await next).toEqual(other);
  });
});

describe('a capture that shows packets turned', () => {
  test('has the true destination from the answer; what came before it is mended later', async () => {
    const asked = seen.connection(guest.port);
    expect(syn(ours)).toBeNull();
    expect(syn(ours)).toBeNull();
    expect(synAck(site)).toBeNull();
    expect(await asked).toEqual(site);
    expect(says(ours)).toEqual(site);
    expect(seen.belated).toEqual([24, 124].map((at) => ({ offset: at, to: site })));
  });

  test('is not misled by an answer to something else', () => {
    syn(ours);
    synAck({ ip: '203.0.113.66', port: 80 }, 77);
    see(tcpFrame({ ip: '203.0.113.66', port: 80 }, guest, { flags: ACK, ack: 101 }));
    expect(says(ours)).toBeNull();
    expect(seen.belated).toEqual([]);
  });

  test('leaves alone what was meant for the host itself', async () => {
    syn(ours);
    synAck(ours);
    expect(await seen.connection(guest.port)).toEqual(ours);
    expect(says(ours)).toBeNull();
  });

  test('shows datagrams turned, too', () => {
    const clock = { ip: '192.0.2.123', port: 123 };
    expect(see(udpFrame(guest, ours, 'time?'))).toBeNull();
    expect(seen.datagram(guest.port)).toBeNull();
    see(udpFrame(clock, guest, 'now'));
    expect(seen.datagram(guest.port)).toEqual(clock);
    expect(see(udpFrame(guest, ours, 'again'))).toEqual(clock);
    expect(seen.belated).toEqual([{ offset: 24, to: clock }]);
  });
});

test('what is never seen is not waited for again and again, nor after the end', async () => {
  const first = seen.connection(1);
  seen.end();
  expect(await first).toBeNull();
  for (const port of [2, 3, 4]) {
    const asked = seen.connection(port);
    seen.end();
    await asked;
  }
  expect(await seen.connection(5)).toBeNull();
  syn(site);
  expect(await seen.connection(guest.port)).toEqual(site);
});

test("the packets of other machines and other protocols are nobody's", () => {
  const other = { ip: '192.168.56.102', port: guest.port };
  see(tcpFrame(other, site, { flags: SYN }));
  see(Buffer.from('not a packet'));
  expect(seen.datagram(guest.port)).toBeNull();
});
