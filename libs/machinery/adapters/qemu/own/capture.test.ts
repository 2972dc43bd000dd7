import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PcapReader } from '#formats/pcap-reader.js';
import { PCAP_RECORD_BYTES, pcapHeader, writePcapRecord } from '#formats/pcap-writer.js';
import type { QemuProcess } from '../process.js';
import { PacketFile } from './capture.js';
import { WholePackets } from './whole-packets.js';

const never = new AbortController().signal;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'packets-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** Packets of 84 bytes each, with their headers 100. */
function capture(packets: number): Buffer {
  const records = Array.from({ length: packets }, (_, index) => {
    const record = Buffer.alloc(PCAP_RECORD_BYTES + 84, index);
    writePcapRecord(new DataView(record.buffer, record.byteOffset), 0, 1_000 * index, 84);
    return record;
  });
  return Buffer.concat([pcapHeader(), ...records]);
}

async function copied(bytes: Buffer, chunk: number, maxBytes: number) {
  const whole = new WholePackets(maxBytes);
  const parts: Buffer[] = [];
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += chunk) yield Buffer.from(bytes.subarray(at, at + chunk));
  };
  for await (const part of whole.copy(chunks())) parts.push(part);
  return { bytes: Buffer.concat(parts), omitted: whole.omitted };
}

test.each([1, 7, 100, 100_000])(
  'up to its size a capture is copied, in chunks of %i bytes',
  async (chunk) => {
    expect(await copied(capture(5), chunk, 524)).toEqual({ bytes: capture(5), omitted: 0 });
    expect(await copied(capture(5), chunk, 523)).toEqual({ bytes: capture(4), omitted: 1 });
    expect(await copied(capture(5).subarray(0, -3), chunk, 300)).toEqual({ bytes: capture(2), omitted: 2 });
    expect(await copied(capture(0), chunk, 300)).toEqual({ bytes: capture(0), omitted: 0 });
  },
);

test.each([
  ['ends inside a packet', capture(2).subarray(0, -3)],
  ['ends inside a packet', Buffer.alloc(0)],
  ['no capture file', Buffer.from('this is something else altogether')],
  ['a packet of 4294967295 bytes', Buffer.concat([pcapHeader(), Buffer.alloc(16, 255)])],
])('one that is broken %s, which is told', async (why, bytes) => {
  await expect(copied(bytes, 64, 1_000)).rejects.toMatchObject({
    code: 'CAPTURE_FAILED',
    message: expect.stringContaining(why),
  });
});

test('a guest that fills its capture costs itself the packets beyond, not the analysis', async () => {
  const held = join(dir, 'held');
  await writeFile(held, capture(50));
  await using file = await open(held);
  const qemu = { qmp: { execute: async () => ({}) }, ended: new Promise(() => {}), condition: 'alive' };
  const packets = new PacketFile(file, qemu as unknown as QemuProcess, 1_050);
  await packets.start(never);
  expect(await packets.saveTo(join(dir, 'dump.pcap'))).toEqual({ omitted: expect.any(Number) });
  const bytes = await readFile(join(dir, 'dump.pcap'));
  const reader = new PcapReader(() => undefined);
  reader.push(bytes);
  reader.finish();
  expect({ problem: reader.problem, size: bytes.length }).toEqual({ problem: null, size: 1_024 });
  await packets.release();
});
