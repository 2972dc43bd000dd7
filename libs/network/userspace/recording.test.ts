import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertificateAuthority } from '../fakenet/ca.js';
import { RESULT_SERVER } from './addresses.js';
import { TaskRecording, type TaskNetwork } from './recording.js';

/** Every write to it fails with ENOSPC. */
const FULL = '/dev/full';

let folder: string;
let ended: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'malkoha-recording-'));
  ended = 0;
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function record(more: Partial<TaskNetwork> = {}): Promise<TaskRecording> {
  const task: TaskNetwork = {
    route: 'drop',
    pcapPath: join(folder, 'dump.pcap'),
    fakenetPath: join(folder, 'fakenet.jsonl'),
    onResult: () => undefined,
    resultServer: RESULT_SERVER,
    ...more,
  };
  return TaskRecording.open(task, await CertificateAuthority.create(), () => (ended += 1));
}

/** A packet of a conversation that nobody answers: it is written down when the task ends, not before. */
function strayDatagram(recording: TaskRecording): void {
  recording.datagram({
    source: 0x0a000202,
    sourcePort: 5000,
    destination: 0x0a000203,
    destinationPort: 9,
    payload: Buffer.from('x'),
  });
}

test('finishing a sound recording has everything on disk, once', async () => {
  await using recording = await record();
  recording.captured(Buffer.alloc(60), 0, 60);
  await recording.finish();
  expect((await stat(join(folder, 'dump.pcap'))).size).toBe(24 + 16 + 60);
  await recording.finish();
  await recording[Symbol.asyncDispose]();
  expect(ended).toBe(1);
});

test('a write that fails in the last flush rejects finish; disposing stays silent', async () => {
  const recording = await record({ fakenetPath: FULL });
  strayDatagram(recording);
  await sleep(10);
  const before = await Promise.race([recording.failure.catch(() => 'failed'), sleep(0, 'fine')]);
  expect(before).toBe('fine');
  const error = { code: 'NO_DISK_SPACE', message: `${FULL} cannot be written`, cause: { code: 'ENOSPC' } };
  await expect(recording.finish()).rejects.toMatchObject(error);
  await expect(recording.failure).rejects.toMatchObject(error);
  await recording[Symbol.asyncDispose]();
  expect(ended).toBe(1);
});

test('a failure in the middle is told at once, and again at the end', async () => {
  const recording = await record({ pcapPath: FULL });
  await expect(recording.failure).rejects.toMatchObject({ code: 'NO_DISK_SPACE' });
  await recording[Symbol.asyncDispose]();
  await expect(recording.finish()).rejects.toMatchObject({ code: 'NO_DISK_SPACE' });
});

test('a capture that cannot be made is no lack of room', async () => {
  await expect(record({ pcapPath: join(folder, 'missing', 'dump.pcap') })).rejects.toMatchObject({
    code: 'CAPTURE_FAILED',
    cause: { code: 'ENOENT' },
  });
});
