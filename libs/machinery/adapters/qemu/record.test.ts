import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { identify, reapOrphans, recordsFolder, writeRecord } from './record.js';

let runDir: string;
let child: ChildProcess;
let pid: number;
let executable: string;

beforeEach(async () => {
  runDir = await mkdtemp(join(tmpdir(), 'record-test-'));
  child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  pid = child.pid ?? 0;
  executable = await readlink(`/proc/${pid}/exe`);
});

afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(runDir, { recursive: true, force: true });
});

async function leave(changes: object): Promise<string> {
  const folder = join(recordsFolder(runDir), 'malkoha-linux1-abcdef');
  await mkdir(folder, { recursive: true });
  await writeRecord(runDir, { ...(await identify(pid, executable)), machine: 'linux1', folder, ...changes });
  return folder;
}

test('what a killed process of ours left is ended, and its folder removed', async () => {
  const folder = await leave({});
  expect(await reapOrphans(runDir)).toEqual(['linux1']);
  expect(child.signalCode).toBe('SIGKILL');
  expect(existsSync(folder)).toBe(false);
  expect(await reapOrphans(runDir)).toEqual([]);
});

test.each([
  ['start time', { startTime: '1' }],
  ['executable', { executable: '/usr/bin/qemu-system-x86_64' }],
  ['boot', { bootId: 'another' }],
])('a process with another %s is somebody else: only the leftovers go', async (_what, changes) => {
  const folder = await leave(changes);
  expect(await reapOrphans(runDir)).toEqual([]);
  expect(child.signalCode).toBeNull();
  expect(existsSync(folder)).toBe(false);
});

test('a record can make us remove no folder but a work folder', async () => {
  const precious = join(runDir, 'precious');
  await mkdir(precious);
  await leave({ startTime: '1', folder: precious });
  await reapOrphans(runDir);
  expect(existsSync(precious)).toBe(true);
});

test('a half-written record is removed', async () => {
  await mkdir(recordsFolder(runDir), { recursive: true });
  await writeFile(join(recordsFolder(runDir), 'linux1.json'), '{"pid":');
  expect(await reapOrphans(runDir)).toEqual([]);
  expect(existsSync(join(recordsFolder(runDir), 'linux1.json'))).toBe(false);
});

test('nothing to do where nothing ever ran', async () => {
  expect(await reapOrphans(join(runDir, 'never'))).toEqual([]);
});
