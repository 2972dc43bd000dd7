import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readFrame, readTcp } from '#formats/packet.js';
import { PcapReader } from '#formats/pcap-reader.js';
import { PCAP_RECORD_BYTES, pcapHeader, writePcapRecord } from '#formats/pcap-writer.js';
import { leaveOutControl } from './leave-out-control.js';

const guest = {
  ...{ ip: '10.0.2.15', agentPort: 8000, hosts: ['10.0.2.2', '10.0.2.253'] },
  resultServer: { ip: '10.0.2.2', port: 2042 },
};

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'control-'));
  path = join(dir, 'dump.pcap');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const number = (ip: string) => ip.split('.').map(Number);

/** An Ethernet frame with a TCP segment without payload, as `<source> <destination>`. */
function frame(flow: string): Buffer {
  const [from = '', to = ''] = flow.split(' ');
  const [src = '', sport = ''] = from.split(':');
  const [dst = '', dport = ''] = to.split(':');
  const bytes = Buffer.alloc(14 + 20 + 20);
  bytes.writeUInt16BE(0x0800, 12);
  bytes.set([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, ...number(src), ...number(dst)], 14);
  bytes.writeUInt16BE(Number(sport), 34);
  bytes.writeUInt16BE(Number(dport), 36);
  bytes[46] = 0x50;
  return bytes;
}

function capture(...flows: string[]): Buffer {
  const records = flows.map((flow, index) => {
    const data = frame(flow);
    const record = Buffer.alloc(PCAP_RECORD_BYTES + data.length);
    writePcapRecord(
      new DataView(record.buffer, record.byteOffset, record.length),
      0,
      1_000 * index,
      data.length,
    );
    data.copy(record, PCAP_RECORD_BYTES);
    return record;
  });
  return Buffer.concat([pcapHeader(), ...records]);
}

async function flows(): Promise<readonly string[]> {
  const found: string[] = [];
  const reader = new PcapReader(({ time, linkType, data }) => {
    const packet = readFrame(linkType, data);
    const tcp = packet && readTcp(packet.payload);
    found.push(`${time} ${packet?.src}:${tcp?.sport} ${packet?.dst}:${tcp?.dport}`);
  });
  reader.push(await readFile(path));
  reader.finish();
  return found;
}

test('what the agent and the result server are told goes, everything else stays with its time', async () => {
  await writeFile(
    path,
    capture(
      '10.0.2.2:40000 10.0.2.15:8000',
      '10.0.2.15:8000 10.0.2.2:40000',
      '10.0.2.15:50000 10.0.2.2:2042',
      '10.0.2.15:50001 198.18.0.7:80',
      '10.0.2.2:2042 10.0.2.15:50000',
      '10.0.2.15:50002 198.18.0.7:2042',
      '10.0.2.15:50003 198.18.0.7:8000',
    ),
  );
  await leaveOutControl(path, guest);
  expect(await flows()).toEqual([
    '3 10.0.2.15:50001 198.18.0.7:80',
    '5 10.0.2.15:50002 198.18.0.7:2042',
    '6 10.0.2.15:50003 198.18.0.7:8000',
  ]);
  expect(await readdir(dir)).toEqual(['dump.pcap']);
});

test("what a sample does from the agent's port stays, and so does what others say to that", async () => {
  const theirs = ['10.0.2.15:8000 198.18.0.7:443', '198.18.0.7:443 10.0.2.15:8000'];
  await writeFile(path, capture('10.0.2.253:40000 10.0.2.15:8000', ...theirs));
  await leaveOutControl(path, guest);
  expect(await flows()).toEqual(theirs.map((flow, index) => `${index + 1} ${flow}`));
});

test('a capture without a packet is one', async () => {
  await writeFile(path, pcapHeader());
  await leaveOutControl(path, guest);
  expect(await readFile(path)).toEqual(pcapHeader());
});

test.each([
  ['no capture', Buffer.from('this is no capture at all, it only has bytes'), /not a capture file/],
  ['one that is cut', capture('10.0.2.15:1 10.0.2.16:2').subarray(0, -5), /ends inside a packet/],
  ['an empty file', Buffer.alloc(0), /empty/],
])('%s is said to be that, and left as it is', async (_, content, message) => {
  await writeFile(path, content);
  await expect(leaveOutControl(path, guest)).rejects.toMatchObject({
    code: 'CAPTURE_FAILED',
    message: expect.stringMatching(message),
  });
  expect(await readFile(path)).toEqual(content);
  expect(await readdir(dir)).toEqual(['dump.pcap']);
});

test('a file that is not there is named', async () => {
  await expect(leaveOutControl(path, guest)).rejects.toMatchObject({
    code: 'CAPTURE_FAILED',
    message: expect.stringContaining(path),
  });
});
