import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PcapReader } from '#formats/pcap-reader.js';
import { PCAP_RECORD_BYTES, pcapHeader, writePcapRecord } from '#formats/pcap-writer.js';
import { AppendFile } from '../append-file.js';
import { CaptureSink, type Watcher } from './capture-sink.js';
import { ACK, tcpFrame } from './packets.fake.js';

const guest = { ip: '192.168.56.101', port: 40_000 };
const shown = { ip: '192.168.56.1', port: 33_333 };
const meant = { ip: '198.18.0.11', port: 80 };

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sink-'));
  path = join(dir, 'dump.pcap');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function stream(frames: readonly Buffer[]): Buffer {
  const records = frames.map((frame) => {
    const record = Buffer.alloc(PCAP_RECORD_BYTES + frame.length);
    writePcapRecord(new DataView(record.buffer, record.byteOffset), 0, 1000, frame.length);
    frame.copy(record, PCAP_RECORD_BYTES);
    return record;
  });
  return Buffer.concat([pcapHeader(), ...records]);
}

async function through(bytes: Buffer, chunk: number, maxBytes: number, watcher: Watcher | null = null) {
  const file = await AppendFile.create(path, (cause) => {
    throw cause;
  });
  const sink = new CaptureSink(file, maxBytes, watcher);
  for (let at = 0; at < bytes.length; at += chunk)
    await sink.push(Buffer.from(bytes.subarray(at, at + chunk)));
  sink.end();
  await file.close();
  await sink.mend(path);
  return { sink, written: await readFile(path) };
}

const frames = (to: { ip: string; port: number }) =>
  [1, 2, 3, 4].map((n) => tcpFrame(guest, to, { flags: ACK, sequence: n, text: 'x'.repeat(n * 40) }));

test.each([1, 7, 100, 100_000])('chunks of %i bytes give the same file', async (chunk) => {
  const { sink, written } = await through(stream(frames(shown)), chunk, 1 << 20);
  expect(written).toEqual(stream(frames(shown)));
  expect(sink).toMatchObject({ packets: 4, omitted: 0, problem: null, whole: written.length });
});

test.each([1, 90, 100_000])(
  'at its full size the file ends with a whole packet (chunks of %i)',
  async (chunk) => {
    const { sink, written } = await through(stream(frames(shown)), chunk, 300);
    expect(written).toEqual(stream(frames(shown).slice(0, 2)));
    expect(sink).toMatchObject({ packets: 2, omitted: 2, problem: null });
  },
);

test('a stream that is cut, or is none, has a problem', async () => {
  const cut = await through(stream(frames(shown)).subarray(0, -3), 64, 1 << 20);
  expect(cut.sink.problem).toMatch('ends inside a packet');
  expect(cut.written).toEqual(stream(frames(shown).slice(0, 3)));
  expect((await through(Buffer.from('tcpdump: what?, and so on and on'), 64, 1 << 20)).sink.problem).toMatch(
    'not a capture',
  );
  expect((await through(Buffer.alloc(0), 64, 1 << 20)).sink.problem).toBe('it has no header');
});

test.each([1, 90, 100_000])(
  'packets get the destination they were meant for (chunks of %i)',
  async (chunk) => {
    const belated: { offset: number; to: typeof meant }[] = [];
    const see: Watcher['see'] = ({ offset }) => {
      if (offset > 24) return meant;
      belated.push({ offset, to: meant });
      return null;
    };
    const { written } = await through(stream(frames(shown)), chunk, 1 << 20, { see, belated });
    expect(written).toEqual(stream(frames(meant)));
    const reader = new PcapReader(() => undefined);
    reader.push(written);
    expect(reader.problem).toBeNull();
  },
);
