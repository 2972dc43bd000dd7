import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { StraceReader, type StraceEvent } from './strace.js';

function read(log: string | Uint8Array, chunk = Infinity): StraceEvent[] {
  const bytes = typeof log === 'string' ? Buffer.from(log, 'latin1') : log;
  const events: StraceEvent[] = [];
  const reader = new StraceReader((event) => events.push(event));
  for (let at = 0; at < bytes.length; at += chunk) reader.push(bytes.subarray(at, at + chunk));
  reader.finish();
  return events;
}

const line = (rest: string): string => `7 1700000000.000001 ${rest}\n`;

describe('StraceReader', () => {
  test('a call is cut into name, arguments, result and errno', () => {
    expect(
      read(line('openat(AT_FDCWD, "/a, (b) \\"c", O_RDONLY) = -1 ENOENT (No such file or directory)')),
    ).toEqual([
      {
        kind: 'call',
        pid: 7,
        time: 1700000000.000001,
        name: 'openat',
        args: ['AT_FDCWD', '"/a, (b) \\"c"', 'O_RDONLY'],
        result: '-1',
        errno: 'ENOENT',
      },
    ]);
  });

  test('structs, lists and comments are one argument each', () => {
    const [event] = read(
      line('x({a=1, b=[2, 3]}, ["y", "z"...], 0x7f /* 5 vars, ) */, 4) = 0x10 (flags O_RDONLY)'),
    );
    expect(event).toMatchObject({
      args: ['{a=1, b=[2, 3]}', '["y", "z"...]', '0x7f /* 5 vars, ) */', '4'],
      result: '0x10',
      errno: '',
    });
  });

  test('an interrupted call is joined with its end, and has its beginning as its time', () => {
    const log =
      '7 1.000000 wait4(-1,  <unfinished ...>\n8 2.000000 exit_group(3)   = ?\n8 2.500000 +++ exited with 3 +++\n' +
      '7 3.000000 <... wait4 resumed>[{WIFEXITED(s)}], 0, NULL) = 8\n';
    expect(read(log).map((event) => [event.kind, event.pid, event.time])).toEqual([
      ['started', 7, 1],
      ['call', 8, 2],
      ['exited', 8, 2.5],
      ['call', 7, 1],
    ]);
    expect(read(log)[3]).toMatchObject({ args: ['-1', '[{WIFEXITED(s)}]', '0', 'NULL'], result: '8' });
  });

  test('a call that never returned has the result ?', () => {
    const killed = '7 1.000000 pause( <unfinished ...>\n7 2.000000 +++ killed by SIGKILL +++\n';
    expect(read(killed).at(-2)).toMatchObject({ kind: 'call', name: 'pause', args: [], result: '?' });
    expect(read(killed).at(-1)).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
    expect(read('7 1.000000 connect(3, {sa_family=AF_INET <unfinished ...>\n').at(-1)).toMatchObject({
      name: 'connect',
      result: '?',
    });
    expect(
      read('7 1.000000 read(3 <unfinished ...>\n7 2.000000 <... read resumed> <unfinished ...>) = ?\n').at(
        -1,
      ),
    ).toMatchObject({ kind: 'call', name: 'read', args: ['3'], result: '?' });
  });

  test('a path that looks like an unfinished call is a path', () => {
    expect(read(line('unlink("/tmp/x <unfinished ...>") = 0'))).toMatchObject([
      { kind: 'call', args: ['"/tmp/x <unfinished ...>"'] },
    ]);
  });

  test('a thread that executes a program goes on as its process, successfully', () => {
    const events = read(readFileSync('test/fixtures/strace/threads.log'));
    const at = events.findIndex((event) => event.kind === 'superseded');
    expect(events[at + 1]).toMatchObject({ kind: 'call', name: 'execve', result: '0', errno: '' });
    expect(events[at + 1]?.pid).toBe(events[at]?.pid);
  });

  test.each(['dropper', 'python', 'daemon', 'threads'])(
    '%s: every line of a real log is understood',
    (name) => {
      const log = readFileSync(`test/fixtures/strace/${name}.log`);
      const events: StraceEvent[] = [];
      const reader = new StraceReader((event) => events.push(event));
      reader.push(log);
      reader.finish();
      expect(reader.unreadable).toBe(0);
      expect(reader.lines).toBe(log.toString('latin1').split('\n').length - 1);
      const exits = log.toString('latin1').match(/\+\+\+ (exited|killed)/g)?.length;
      expect(events.filter(({ kind }) => kind === 'exited' || kind === 'killed')).toHaveLength(exits ?? -1);
    },
  );

  test.each([1, 2, 7, 64, 1000])('chunks of %i bytes give the same events', (chunk) => {
    const log = readFileSync('test/fixtures/strace/threads.log');
    expect(read(log, chunk)).toEqual(read(log));
  });

  test('any bytes are read without an error', () => {
    const pieces = fc.constantFrom(
      '7 1.000000 ', 'open(', '"', '\\', '<unfinished ...>', '<... open resumed>', ') = ', '-1 E', '+++ exited with ', '--- SIG',
      '+++ superseded by execve in pid 8 +++', '\n', '[', '{', '}', '/*', '*/', ', ',
    ); // prettier-ignore
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ unit: 'binary' }))), (parts) => {
        read(Buffer.from(parts.join('')));
      }),
    );
  });

  test('hostile lines cost linear time', () => {
    const hostile = ['(', '"\\', '/*', '[{', '<unfinished ...>', '7 1.000000 a( <unfinished ...>\n'];
    for (const piece of hostile) {
      const log = Buffer.from(line(`open(${piece.repeat(4_000_000 / piece.length)}`));
      const started = performance.now();
      read(log);
      expect(performance.now() - started).toBeLessThan(3000);
    }
  });
});
