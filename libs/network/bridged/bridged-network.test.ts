import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { PCAP_RECORD_BYTES, pcapHeader, writePcapRecord } from '#formats/pcap-writer.js';
import { openBridged, type HypervisorCapture } from './bridged-network.js';
import { ACK, tcpFrame } from './packets.fake.js';

const never = new AbortController().signal;
const machine: OwnMachine = {
  ...{ name: 'a', label: 'a', platform: 'linux', arch: 'x64', tags: [], reserved: false, snapshot: null },
  ...{ ip: '192.168.56.101', resultServer: { ip: '192.168.56.1', port: 2042 } },
  ...{ interface: 'none0', options: ['nictrace'], agentPort: 8000 },
};
const GUEST = { ip: machine.ip, port: 8000 };

let dir: string;
let notes: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bridged-'));
  notes = [];
});
afterEach(() => rm(dir, { recursive: true }));

function traced(capture: HypervisorCapture) {
  return openBridged(
    {
      ...{ machine, taskId: 1, route: 'none', options: null, dir, router: null, fakenet: null },
      ...{ sniffer: { enabled: true, tcpdump: '', bpf: '' }, capture: async () => capture },
      onNote: (what) => void notes.push(what),
    },
    never,
  );
}

function pcap(...frames: readonly Buffer[]): Buffer {
  const records = frames.map((frame) => {
    const record = Buffer.alloc(PCAP_RECORD_BYTES + frame.length);
    writePcapRecord(new DataView(record.buffer, record.byteOffset), 0, 0, frame.length);
    frame.copy(record, PCAP_RECORD_BYTES);
    return record;
  });
  return Buffer.concat([pcapHeader(), ...records]);
}

test('a capture of the hypervisor is finished, told of and filtered', async () => {
  const control = tcpFrame({ ip: '192.168.56.1', port: 40_000 }, GUEST, { flags: ACK, text: 'GET /status' });
  const sample = tcpFrame(GUEST, { ip: '198.18.0.7', port: 443 }, { flags: ACK, text: 'beacon' });
  const network = await traced({
    finish: async () => {
      await writeFile(join(dir, 'dump.pcap'), pcap(control, sample));
      return { omitted: 3 };
    },
    [Symbol.asyncDispose]: async () => {},
  });
  await network.finish();
  expect(notes).toEqual([expect.stringMatching('^3 packets')]);
  expect(await readFile(join(dir, 'dump.pcap'))).toEqual(pcap(sample));
});

test('what went wrong with it fails the task', async () => {
  const network = await traced({
    finish: () => Promise.reject(new SandboxError('CAPTURE_FAILED', 'the disk is full')),
    [Symbol.asyncDispose]: async () => {},
  });
  await expect(network.finish()).rejects.toMatchObject({ code: 'CAPTURE_FAILED' });
});
