import { constants } from 'node:fs';
import { mkdtemp, open, readdir, rm, symlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { eventually, resultLab, sha256 } from '../../test/support/result-lab.js';
import { store } from './store.js';

/** Every write to it fails with ENOSPC. */
const FULL = '/dev/full';

afterEach(() => {
  jest.restoreAllMocks();
});

test('a full disk ends an upload as the failure of the host that it is', async () => {
  const file = await open(FULL, constants.O_WRONLY);
  const stored = await store(
    file,
    () => Promise.resolve(Buffer.from('DATA')),
    (wanted) => wanted,
  );
  expect(stored).toMatchObject({ size: 0, sha256: sha256(''), status: 'aborted', diskFailed: true });
  expect(stored.cause).toMatchObject({ code: 'ENOSPC' });
});

test('size and hash are of the part that fitted', async () => {
  const write = jest
    .fn<() => Promise<{ bytesWritten: number }>>()
    .mockResolvedValueOnce({ bytesWritten: 3 })
    .mockRejectedValueOnce(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  const file = { write, [Symbol.asyncDispose]: () => Promise.resolve() } as unknown as FileHandle;
  const stored = await store(
    file,
    () => Promise.resolve(Buffer.from('DATA')),
    (wanted) => wanted,
  );
  expect(stored).toMatchObject({ size: 3, sha256: sha256('DAT'), status: 'aborted', diskFailed: true });
});

test.each([
  ['FILE\nfiles/a\nDATA', 'files/a'],
  ['FILE\nlogs/strace.log\nDATA', 'logs/strace.log'],
  ['LOG\nDATA', 'analysis.log'],
  ['BSON 7\nDATA', 'logs/7.bson'],
])('%j on a full disk fails the task at once, and is no anomaly', async (wire, path) => {
  await using lab = await resultLab();
  await using full = await open(FULL, constants.O_WRONLY);
  const handles = Object.getPrototypeOf(full) as { write(bytes: Buffer): unknown };
  jest.spyOn(handles, 'write').mockImplementationOnce((bytes) => full.write(bytes));
  await lab.send(wire);
  expect(lab.results.failed.reason).toMatchObject({
    code: 'NO_DISK_SPACE',
    message: `"${path}" in ${lab.dir} cannot be written`,
    cause: { code: 'ENOSPC' },
  });
  expect(lab.anomalies).toEqual([]);
  expect(lab.results.stats.refused).toBe(0);
  await expect(lab.results.finish()).rejects.toBe(lab.results.failed.reason);
  await lab.results[Symbol.asyncDispose]();
});

test('an upload that files.json has no room for fails the task', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'malkoha-full-'));
  try {
    await symlink(FULL, join(dir, 'files.json'));
    await using lab = await resultLab({ dir });
    await lab.send('FILE\nfiles/a\nDATA');
    expect(lab.entries).toEqual([]);
    expect(lab.anomalies).toEqual([]);
    await expect(lab.results.finish()).rejects.toMatchObject({
      code: 'NO_DISK_SPACE',
      message: `"files.json" in ${dir} cannot be written`,
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test.each(['files/a', 'logs/strace.log'])('a folder that is gone fails %s and the task', async (path) => {
  await using lab = await resultLab();
  await rm(join(lab.dir, path, '..'), { recursive: true });
  await lab.send(`FILE\n${path}\nDATA`);
  const error = { code: 'CAPTURE_FAILED', cause: { code: 'ENOENT' } };
  expect(lab.results.failed.reason).toMatchObject(error);
  expect(lab.anomalies).toEqual([]);
  await lab.results[Symbol.asyncDispose]();
  await expect(lab.results.finish()).rejects.toMatchObject(error);
});

test('what the guest does wrong does not fail the task', async () => {
  await using lab = await resultLab({ limits: { uploadBytes: 4 } });
  await lab.send('NONSENSE\n');
  await lab.send('FILE\n../../etc/passwd\nDATA');
  await lab.send('FILE\nfiles/a\nMORE THAN FOUR');
  await lab.send('FILE\nfiles/a\nDATA');
  const socket = await lab.connect();
  socket.write('FILE\nfiles/b\nDA');
  await eventually(() => lab.results.stats.bytes === 10);
  socket.resetAndDestroy();
  await eventually(() => lab.entries.length === 3);
  expect(lab.entries.map(({ status }) => status)).toEqual(['truncated', 'complete', 'aborted']);
  expect(lab.anomalies.length).toBe(5);
  await lab.results.finish();
  expect(lab.results.failed.aborted).toBe(false);
  expect((await readdir(join(lab.dir, 'files'))).sort()).toEqual(['a', 'a.1', 'b']);
});

test('finishing takes nothing more, and keeps what was under way', async () => {
  await using lab = await resultLab();
  const socket = await lab.connect();
  socket.write('FILE\nfiles/a\nDATA');
  await eventually(() => lab.results.stats.bytes === 4);
  const finished = lab.results.finish();
  socket.end();
  await finished;
  await lab.send('FILE\nfiles/late\nDATA');
  expect(await readdir(join(lab.dir, 'files'))).toEqual(['a']);
});
