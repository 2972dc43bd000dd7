import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertificateAuthority } from '../fakenet/ca.js';
import { AGENT_PORT, RESULT_SERVER } from './addresses.js';
import { FakeGuest } from './guest.fake.js';
import { UserspaceNetwork } from './network.js';
import type { Recording, TaskNetwork } from './recording.js';

let ca: CertificateAuthority;
let folder: string;
let network: UserspaceNetwork;
let guest: FakeGuest;
let results: Duplex[];
const forever = new AbortController().signal;

beforeAll(async () => {
  ca = await CertificateAuthority.create();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malkoha-network-'));
  network = await UserspaceNetwork.listen({ socketPath: join(folder, 'net.sock'), ca });
  guest = await FakeGuest.connect(network.socketPath);
  results = [];
});

afterEach(async () => {
  guest.kill();
  await network[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function open(
  route: TaskNetwork['route'] = 'inetsim',
  more: Partial<TaskNetwork> = {},
): Promise<Recording> {
  return network.open({
    route,
    pcapPath: join(folder, 'dump.pcap'),
    fakenetPath: join(folder, 'fakenet.jsonl'),
    onResult: (stream) => results.push(stream),
    resultServer: RESULT_SERVER,
    ...more,
  });
}

/** The guest's end of an upload, and ours. */
async function upload(): Promise<[Duplex, Duplex]> {
  const guestEnd = await guest.dial(RESULT_SERVER.ip, RESULT_SERVER.port);
  while (results.length === 0) await sleep(1);
  const ours = results.shift();
  if (ours === undefined) throw new Error('no upload');
  return [guestEnd, ours];
}

describe('the agent', () => {
  test('is dialled, answers, and closes', async () => {
    guest.listening.add(AGENT_PORT);
    guest.onAccept = (stream) => stream.pipe(stream);
    const call = await network.dial(AGENT_PORT, forever);
    call.end('hello');
    expect((await buffer(call)).toString()).toBe('hello');
  });

  test('is asked again quickly until it listens to us', async () => {
    guest.kill();
    await sleep(20);
    const calling = network.dial(AGENT_PORT, forever);
    await sleep(50);
    guest = await FakeGuest.connect(network.socketPath);
    guest.listening.add(AGENT_PORT);
    guest.onAccept = (stream) => stream.resume();
    const call = await calling;
    call.destroy();
  });

  test('a refusal, an abort and a dead machine each reject', async () => {
    await expect(network.dial(AGENT_PORT, forever)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    guest.listening.add(AGENT_PORT);
    guest.socket.pause();
    const aborted = network.dial(AGENT_PORT, AbortSignal.timeout(50));
    await expect(aborted).rejects.toMatchObject({ name: 'TimeoutError' });
    const lost = network.dial(AGENT_PORT, forever);
    setTimeout(() => guest.kill(), 20);
    await expect(lost).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('the result channel', () => {
  test('carries megabytes to a slow reader, whole and in order, and none of it is captured', async () => {
    await using recording = await open();
    const size = 8 * 1024 * 1024;
    const sent = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz0123456789-');
    const [guestEnd, ours] = await upload();
    guestEnd.end(sent);
    const got: Buffer[] = [];
    for await (const chunk of ours) {
      got.push(chunk as Buffer);
      if (got.length % 16 === 0) await sleep(1);
    }
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    expect(recording.dropped).toBe(0);
    expect(recording.packets).toBeLessThan(5);
  });

  test('what was sent before the machine died is read before the error', async () => {
    await using _recording = await open();
    const [guestEnd, ours] = await upload();
    guestEnd.write('the last words');
    await sleep(20);
    guest.kill();
    await sleep(20);
    const got: string[] = [];
    await expect(async () => {
      for await (const chunk of ours) got.push(String(chunk));
    }).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(got.join('')).toBe('the last words');
  });

  test('works when the route drops everything else', async () => {
    await using _recording = await open('drop');
    const [guestEnd, ours] = await upload();
    guestEnd.end('x');
    expect((await buffer(ours)).toString()).toBe('x');
    const lost = guest.dial('198.51.100.1', 80);
    await expect(Promise.race([lost, sleep(100, 'silence')])).resolves.toBe('silence');
  });
});

test('nothing is answered before a task is open', async () => {
  const frames: Buffer[] = [];
  guest.onFrame = (frame) => frames.push(frame);
  guest.udp('10.0.2.3', 53, Buffer.from('000101000001000000000000016100000100 01'.replace(' ', ''), 'hex'));
  const lost = guest.dial('198.51.100.1', 80);
  await expect(Promise.race([lost, sleep(100, 'silence')])).resolves.toBe('silence');
  expect(frames.filter((frame) => frame.readUInt16BE(12) === 0x0800)).toEqual([]);
});

test('the capture is valid while it grows', async () => {
  await using recording = await open();
  const stream = await guest.dial('198.51.100.1', 4444);
  stream.write('knock');
  await sleep(400);
  const file = await readFile(join(folder, 'dump.pcap'));
  expect(file.readUInt32LE(0)).toBe(0xa1b2c3d4);
  let packets = 0;
  let at = 24;
  for (; at + 16 <= file.length; at += 16 + file.readUInt32LE(at + 8)) packets++;
  expect(at).toBe(file.length);
  expect(packets).toBe(recording.packets);
  expect(file.includes('knock')).toBe(true);
});

test('a second task waits for its turn, and one after another works', async () => {
  const first = await open();
  await expect(open()).rejects.toThrow('open already');
  await first[Symbol.asyncDispose]();
  await using _second = await open();
});

test('thousands of connections at once are served, and more than the bound are refused', async () => {
  await using _recording = await open();
  const streams: Duplex[] = [];
  while (streams.length < 4096) {
    const first = streams.length;
    const dialled = Array.from({ length: 256 }, async (_, i) =>
      guest.dial(`198.51.${100 + (first >> 8)}.${i}`, 9000),
    );
    streams.push(...(await Promise.all(dialled)));
  }
  for (const stream of streams) stream.write('hello');
  await expect(guest.dial('198.51.100.1', 9001)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  const ends = streams.map(async (stream) => once(stream.resume(), 'end'));
  for (const stream of streams) stream.end();
  await Promise.all(ends);
  await sleep(600);
  const again = await guest.dial('198.51.100.1', 9002);
  again.destroy();
}, 30_000);

test('a capture that cannot be made is CAPTURE_FAILED', async () => {
  await expect(open('inetsim', { pcapPath: join(folder, 'no', 'such', 'folder') })).rejects.toMatchObject({
    code: 'CAPTURE_FAILED',
  });
});
