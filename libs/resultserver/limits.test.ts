import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { eventually, resultLab, sha256 } from '../../test/support/result-lab.js';

const HELLO = '2024-01-01 10:00:00,123 [analyzer] DEBUG: Starting\n';

describe('limits', () => {
  test('a file beyond its limit keeps its first bytes clean, says so, and is read no further', async () => {
    await using lab = await resultLab({ budget: { uploadBytes: 4 } });
    await lab.send('FILE\nfiles/a\nABCDEFGH');
    await lab.send('FILE\nfiles/b\nABCD');
    expect(await lab.read('files/a')).toBe('ABCD');
    expect(await lab.files()).toMatchObject([
      { path: 'files/a', size: 4, sha256: sha256('ABCD'), status: 'truncated' },
      { path: 'files/b', size: 4, sha256: sha256('ABCD'), status: 'complete' },
    ]);
  });

  test('a flood is cut off within the limit of the task, whatever it calls itself', async () => {
    await using lab = await resultLab({
      budget: { totalBytes: 1_000_000, streamBytes: 600_000, logBytes: 100_000 },
    });
    const flood = Buffer.alloc(4_000_000, 'x');
    const wires = ['LOG\n', 'BSON 1\n', 'BSON 2\n', 'FILE\nfiles/a\n', 'FILE\nlogs/strace.log\n'];
    await Promise.all(
      wires.map(async (header) => {
        const socket = await lab.connect();
        socket.write(header);
        socket.write(flood);
        await new Promise((resolve) => socket.once('close', resolve).resume());
      }),
    );
    expect(lab.results.stats.bytes).toBeLessThanOrEqual(1_000_000);
    expect((await lab.read('analysis.log')).length).toBeLessThanOrEqual(100_000);
    await lab.results[Symbol.asyncDispose]();
    expect(lab.anomalies.length).toBe(5);
  });

  test('files run out', async () => {
    await using lab = await resultLab({ budget: { files: 3 } });
    for (const n of [1, 2, 3, 4, 5]) await lab.send(`FILE\nfiles/${n}\nx`);
    expect((await readdir(join(lab.dir, 'files'))).sort()).toEqual(['1', '2', '3']);
    expect(lab.results.stats.refused).toBe(2);
  });

  test('slow-loris: a header must be whole in time, however steadily it drips', async () => {
    await using lab = await resultLab({ budget: { commandMs: 150, headerMs: 200 } });
    const sockets = await Promise.all([lab.connect(), lab.connect(), lab.connect()]);
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve).resume()));
    sockets[1].write('FILE 2\nfi');
    const drip = setInterval(() => sockets[2].write('F'), 10);
    const before = performance.now();
    await Promise.all(closed);
    clearInterval(drip);
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(lab.results.stats.files).toBe(0);
  });

  test('a silent upload ends, a silent live trace does not', async () => {
    await using lab = await resultLab({ budget: { idleMs: 100 } });
    const [upload, trace] = [await lab.connect(), await lab.connect()];
    upload.write('FILE\nfiles/a\nhalf');
    trace.write('FILE\nlogs/strace.log\nhalf');
    await new Promise((resolve) => upload.once('close', resolve).resume());
    await eventually(() => lab.entries.length === 1);
    expect(lab.entries).toMatchObject([{ path: 'files/a', size: 4, status: 'aborted' }]);
    const closed = new Promise((resolve) => trace.once('close', resolve).resume());
    trace.end(' and the rest');
    await closed;
    expect(await lab.read('logs/strace.log')).toBe('half and the rest');
  });

  test('a sample that holds every connection does not keep the analyzer out', async () => {
    await using lab = await resultLab({ budget: { connections: 8, pending: 4 } });
    const log = await lab.connect();
    log.write(`LOG\n${HELLO}`);
    await eventually(() => lab.results.stats.bytes > 0);
    const hogs = await Promise.all(Array.from({ length: 20 }, () => lab.connect()));
    for (const [n, hog] of hogs.entries()) hog.write(`FILE\nfiles/hog${n}\n.`);
    const silence = 1_100;
    await sleep(silence);
    await lab.send('FILE\nfiles/evidence\nDATA');
    expect(await lab.read('files/evidence')).toBe('DATA');
    log.end('still here\n');
    await eventually(async () => (await lab.read('analysis.log')).endsWith('still here\n'));
    for (const hog of hogs) hog.destroy();
  });

  test('anomalies themselves are limited', async () => {
    await using lab = await resultLab();
    for (let n = 0; n < 100; n += 1) await lab.send('XYZ\n');
    expect(lab.anomalies.length).toBe(64);
    expect(lab.results.stats.refused).toBe(100);
  });

  test('a line of 4097 bytes is refused', async () => {
    await using lab = await resultLab();
    await lab.send('a'.repeat(4097));
    await lab.send(`FILE\nfiles/${'a'.repeat(4097)}\n`);
    expect(lab.results.stats).toMatchObject({ files: 0, refused: 2 });
  });
});

describe('what was cut off is kept, and says so', () => {
  test('by a reset', async () => {
    await using lab = await resultLab();
    const socket = await lab.connect();
    socket.write('FILE 2\nfiles/a\nC:\\a\n1\nhalf');
    await eventually(() => lab.results.stats.bytes === 4);
    socket.resetAndDestroy();
    await eventually(() => lab.entries.length === 1);
    expect(await lab.read('files/a')).toBe('half');
    expect(lab.entries[0]).toMatchObject({ filepath: 'C:\\a', pids: [1], size: 4, status: 'aborted' });
  });

  test('by the end of the task, which waits for the quiet and no longer', async () => {
    await using lab = await resultLab({ budget: { quietMs: 50 } });
    const socket = await lab.connect();
    socket.write('FILE\nfiles/a\nhalf');
    await eventually(() => lab.results.stats.bytes === 4);
    const before = performance.now();
    await lab.results[Symbol.asyncDispose]();
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(lab.entries).toMatchObject([{ path: 'files/a', status: 'aborted' }]);
    socket.destroy();
  });

  test('but what is still coming may arrive', async () => {
    await using lab = await resultLab();
    const socket = await lab.connect();
    socket.write('FILE\nfiles/a\nhalf');
    await eventually(() => lab.results.stats.bytes === 4);
    const ended = lab.results[Symbol.asyncDispose]();
    socket.end(' and the rest');
    await ended;
    expect(lab.entries).toMatchObject([{ path: 'files/a', size: 17, status: 'complete' }]);
  });

  test('and a guest that never stops talking is stopped', async () => {
    await using lab = await resultLab({ budget: { closeMs: 200, quietMs: 50 } });
    const socket = await lab.connect();
    socket.write('LOG\n');
    const chatter = setInterval(() => socket.write('more\n'), 5);
    await eventually(() => lab.results.stats.bytes > 0);
    await lab.results[Symbol.asyncDispose]();
    clearInterval(chatter);
    const { length } = await lab.read('analysis.log');
    await sleep(50);
    expect((await lab.read('analysis.log')).length).toBe(length);
  });
});
