import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { eventually, GUEST, resultLab, sha256 } from '../../test/support/result-lab.js';
import { PROCESS_752 } from '../../test/support/bson.js';
import { ResultServer } from './resultserver.js';

const OTHER_GUEST = '127.0.0.3';
const HELLO = '2024-01-01 10:00:00,123 [analyzer] DEBUG: Starting\n';

/** Every way TCP may cut the same bytes. */
const CUTS: readonly (readonly [string, (wire: Buffer) => Buffer[]])[] = [
  ['in one write', (wire) => [wire]],
  ['byte by byte', (wire) => [...wire].map((byte) => Buffer.from([byte]))],
  ['header and payload apart', (wire) => [wire.subarray(0, -4), wire.subarray(-4)]],
];

describe.each(CUTS)('sent %s', (_name, cut) => {
  test.each([
    ['LOG', `LOG\n${HELLO}`, 'analysis.log', HELLO],
    ['FILE', 'FILE\nshots/0001.jpg\nJPEG', 'shots/0001.jpg', 'JPEG'],
    ['FILE 2', 'FILE 2\nfiles/bea3_c.bin\nC:\\c.bin\n752 484\nDATA', 'files/bea3_c.bin', 'DATA'],
    ['FILE with CR LF', 'FILE\r\nfiles/a\r\nDATA', 'files/a', 'DATA'],
    ['BSON', 'BSON 752\n\x05\0\0\0\0', 'logs/752.bson', '\x05\0\0\0\0'],
    ['a live trace', 'FILE 2\nlogs/strace.log\n\n\nline\n', 'logs/strace.log', 'line\n'],
  ])('%s is stored as it is', async (_what, wire, path, content) => {
    await using lab = await resultLab();
    await lab.send(cut(Buffer.from(wire, 'latin1')));
    expect(await lab.read(path)).toBe(content);
    expect(lab.anomalies).toEqual([]);
    expect(lab.results.stats).toEqual({ files: 1, bytes: content.length, connections: 1, refused: 0 });
  });
});

test('files.json gets one line per upload, Cuckoo keys first', async () => {
  await using lab = await resultLab();
  await lab.send('FILE\nshots/0001.jpg\n');
  await lab.send('FILE 2\nfiles\\bea3_c.bin\nC:\\c.bin\n752 484\nDATA');
  await lab.send(`LOG\n${HELLO}`);
  const lines = (await lab.read('files.json')).split('\n');
  expect(lines[0]).toBe(
    `{"path":"shots/0001.jpg","filepath":null,"pids":[],"size":0,"sha256":"${sha256('')}","status":"complete"}`,
  );
  expect(lines[1]).toBe(
    `{"path":"files/bea3_c.bin","filepath":"C:\\\\c.bin","pids":[752,484],"size":4,"sha256":"${sha256('DATA')}","status":"complete"}`,
  );
  expect(lines.slice(2)).toEqual(['']);
  expect(lab.entries).toEqual(lines.slice(0, 2).map((line) => JSON.parse(line) as unknown));
});

describe('whose results these are', () => {
  test('is told by the address, and tasks do not mix', async () => {
    await using lab = await resultLab();
    const other = await lab.task({ guestIp: OTHER_GUEST });
    await Promise.all([
      lab.send('FILE\nfiles/a\nfirst'),
      lab.send('FILE\nfiles/a\nsecond', OTHER_GUEST),
      lab.send('FILE\nfiles/b\nstranger', '127.0.0.4'),
    ]);
    expect(await lab.read('files/a')).toBe('first');
    expect(await readdir(join(lab.dir, 'files'))).toEqual(['a']);
    expect(await readdir(join(other.dir, 'files'))).toEqual(['a']);
    expect(other.results.stats.bytes).toBe('second'.length);
  });

  test('is asked again when the header is there: a task that took the address over gets nothing of it', async () => {
    await using lab = await resultLab();
    const socket = await lab.connect();
    socket.write('FILE\nfiles/');
    await eventually(() => lab.results.stats.connections === 1);
    const next = await lab.task({});
    socket.write('a\nDATA');
    await eventually(() => socket.resume().destroyed);
    socket.destroy();
    expect(await readdir(join(lab.dir, 'files'))).toEqual([]);
    expect(await readdir(join(next.dir, 'files'))).toEqual([]);
    await lab.send('FILE\nfiles/a\nDATA');
    expect(await readdir(join(next.dir, 'files'))).toEqual(['a']);
  });

  test('nothing arrives after the end of the task, not even from a stream handed over', async () => {
    await using lab = await resultLab();
    await lab.send(`LOG\n${HELLO}`);
    await lab.results[Symbol.asyncDispose]();
    await lab.send('FILE\nfiles/late\nDATA');
    const [guest, host] = pair();
    guest.on('error', () => undefined);
    lab.results.accept(host);
    guest.write('FILE\nfiles/late\nDATA');
    await eventually(() => host.destroyed);
    guest.destroy();
    expect(await readdir(join(lab.dir, 'files'))).toEqual([]);
    expect(lab.results.stats).toMatchObject({ files: 1, refused: 1 });
  });
});

test('streams of the userspace network are the second way in', async () => {
  await using lab = await resultLab({ guestIp: null });
  const [guest, host] = pair();
  lab.results.accept(host);
  guest.end('FILE\nfiles/a\nDATA');
  await eventually(() => lab.entries.length === 1);
  guest.destroy();
  expect(await lab.read('files/a')).toBe('DATA');
});

describe('behaviour logs without a process id', () => {
  const documents = Buffer.from('0500000000'.repeat(3), 'hex');

  test('go by the process in them', async () => {
    await using lab = await resultLab();
    await lab.send([
      Buffer.from('BSON\n'),
      PROCESS_752.subarray(0, 100),
      PROCESS_752.subarray(100),
      documents,
    ]);
    expect(await lab.read('logs/752.bson')).toBe(Buffer.concat([PROCESS_752, documents]).toString('latin1'));
  });

  test('and without a process are refused', async () => {
    await using lab = await resultLab();
    await lab.send([Buffer.from('BSON\n'), documents]);
    expect(await readdir(join(lab.dir, 'logs'))).toEqual([]);
    expect(lab.results.stats.refused).toBe(1);
  });
});

describe('CAPE', () => {
  const header = (path: string, duplicated: string) =>
    `FILE 2\n${path}\nC:\\x\\a.bin\n752\n484\nmeta\nfiles\n${duplicated}\n`;

  test('lists parents, metadata and category; a file said to be there again is listed once more', async () => {
    await using lab = await resultLab({ dialect: 'cape' });
    await lab.send(`${header('CAPE/c97c', '0')}DATA`);
    await lab.send(header('CAPE/c97c', '1'));
    await lab.send(header('CAPE/never', '1'));
    const line = {
      path: 'CAPE/c97c',
      filepath: 'C:\\x\\a.bin',
      pids: [752],
      ppids: [484],
      metadata: 'meta',
      category: 'files',
      size: 4,
      sha256: sha256('DATA'),
      status: 'complete',
    };
    expect(await lab.files()).toEqual([line, line]);
    expect(lab.results.stats.refused).toBe(1);
  });

  test('replaces its growing snapshots, and PROTO is stored', async () => {
    await using lab = await resultLab({ dialect: 'cape' });
    await lab.send('FILE\naux/dns_etw.json\none');
    await lab.send('FILE\naux/dns_etw.json\none two');
    await lab.send('PROTO 752\n\x06\0\0\0"\x04\n\x02hi');
    expect(await lab.read('aux/dns_etw.json')).toBe('one two');
    expect((await lab.read('logs/752.protobuf')).length).toBe(10);
  });

  test('a monitor may connect long before it speaks', async () => {
    await using lab = await resultLab({ dialect: 'cape', budget: { commandMs: 20, headerMs: 20 } });
    const socket = await lab.connect();
    await sleep(100);
    socket.end('BSON 5\nlate');
    await eventually(() => lab.results.stats.bytes === 4);
    socket.destroy();
  });
});

describe('opening', () => {
  test('a port that is taken is named', async () => {
    await using lab = await resultLab();
    await using second = new ResultServer();
    await expect(second.listen('127.0.0.1', lab.port)).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `the result server cannot listen on 127.0.0.1:${lab.port}`,
    });
  });

  test("so is an address that is not this host's", async () => {
    await using server = new ResultServer();
    await expect(server.listen('192.0.2.1', 0)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a folder that is a link is refused: the uploads would land elsewhere', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'malkoha-results-'));
    await symlink('/tmp', join(dir, 'files'));
    await using server = new ResultServer();
    const opening = server.open({ id: 1, dir, dialect: 'malkoha', guestIp: GUEST });
    await expect(opening).rejects.toThrow('is not a folder of its own');
    await rm(dir, { recursive: true });
  });
});

/** Two ends of one connection, as the userspace network makes them. */
function pair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const end = (other: number) =>
    new Duplex({
      allowHalfOpen: true,
      read: () => undefined,
      write(chunk, _encoding, done) {
        ends[other]?.push(chunk);
        done();
      },
      final(done) {
        ends[other]?.push(null);
        done();
      },
    });
  ends.push(end(1), end(0));
  return ends as [Duplex, Duplex];
}
