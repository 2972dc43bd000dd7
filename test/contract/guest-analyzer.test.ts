import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { rawZip } from '../support/archives.js';

/** Runs Python with the analyzer's names at hand; what it prints as JSON. */
function analyzer(code: string): unknown {
  const program = `import sys, json; sys.dont_write_bytecode = True
sys.path.insert(0, 'analyzer-guest/linux')
from analyzer import *
print(json.dumps((lambda: ${code})()))`;
  return JSON.parse(execFileSync('python3', ['-c', program], { encoding: 'utf8' }));
}

test('analysis.conf is taken as it stands', () => {
  expect(
    analyzer(
      String.raw`parse_config("[analysis]\nid = 1\nTarget = http://x/%20;a=b #c\r\npackage =\nno value")`,
    ),
  ).toEqual({
    id: '1',
    target: 'http://x/%20;a=b #c',
    package: '',
  });
  expect(analyzer(`parse_options("a=1,free=yes, b = x=y ,lonely")`)).toEqual({
    a: '1',
    free: 'yes',
    b: 'x=y',
  });
});

test('the package is chosen by what the file is, then by what it is called', () => {
  const choose = (name: string, head: string) =>
    analyzer(`choose_package(${JSON.stringify(name)}, b"${head}")`);
  expect(choose('invoice.pdf', String.raw`\x7fELF\x02`)).toBe('generic');
  expect(choose('x', String.raw`#!/bin/sh\necho`)).toBe('generic');
  expect(choose('x', String.raw`#!/opt/none/python2.7 -u\n`)).toBe('python');
  expect(choose('x', String.raw`#!/bin/sh\r\necho`)).toBe('generic');
  expect(choose('x.py', 'import os')).toBe('python');
  expect(choose('x.PL', 'print 1')).toBe('perl');
  expect(choose('x.js', 'var a')).toBe('js');
  expect(choose('noname', 'echo hello')).toBe('sh');
  expect(choose('blob', String.raw`\x00\x01`)).toBe('generic');
});

/** What `command_for` says of a shell script, or of a URL. */
function command(config: Readonly<Record<string, string>>, options: Readonly<Record<string, string>> = {}) {
  const sample = config['category'] === 'url' ? 'None' : '"test/samples/noop.sh"';
  return () => analyzer(`command_for(${JSON.stringify(config)}, ${JSON.stringify(options)}, ${sample})`);
}

test('a package that is not there is refused, and those that are there are named', () => {
  expect(command({ package: 'exe' })).toThrow(
    /this guest runs no file with package "exe"; choose one of generic, (.*, )?python, sh, or none/,
  );
  expect(command({ package: 'url' })).toThrow('this guest runs no file with package "url"');
  expect(command({ category: 'url', package: 'ie', target: 'http://a.test/' })).toThrow(
    'package "ie" opens no URL in this guest; choose url, or none',
  );
  expect(command({ package: 'None' })()).toEqual(['generic', ['test/samples/noop.sh']]);
  expect(command({ package: 'sh' }, { arguments: 'a "b c"' })()).toEqual([
    'sh',
    ['/bin/bash', 'test/samples/noop.sh', 'a', 'b c'],
  ]);
  expect(command({ package: 'sh' }, { arguments: '"a' })).toThrow('the option arguments cannot be split');
  expect(command({ category: 'url', target: 'a.test/b' })()).toEqual([
    'url',
    expect.arrayContaining(['/usr/bin/curl', 'http://a.test/b']),
  ]);
});

test('an option with a value that cannot be honoured is refused, and those that can are named', () => {
  expect(
    analyzer('[choose_tracer({}), choose_tracer({"free": "Yes"}), choose_tracer({"free": "0"})]'),
  ).toEqual(['both', 'none', 'both']);
  expect(() => analyzer('choose_tracer({"free": "maybe"})')).toThrow('free takes yes or no, not "maybe"');
  expect(() => analyzer('choose_tracer({"tracer": "x"})')).toThrow(
    'choose one of strace, kprobe, both, none',
  );
  expect(() => analyzer('find_user("bob").pw_name')).toThrow(/no user "bob" .*; choose one of root/);
});

test('a file is new when it was changed after the start, also by a clock that was set back', () => {
  const now = Math.floor(Date.now() / 1000);
  const start = 920_523_967; // in 1999
  const cases = [
    ...[[now, now], [now, now - 3600]],
    ...[[start, start], [start, start - 1], [start, now - 60]],
  ]; // prettier-ignore
  expect(
    analyzer(`[Keeper(None, since, None).is_new(os.stat_result((0,) * 9 + (ctime,)))
      for since, ctime in ${JSON.stringify(cases)}]`),
  ).toEqual([true, false, true, false, false]);
});

test('a program for another processor is refused by name', () => {
  const check = String.raw`check_machine(b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00")`;
  expect(() => analyzer(check)).toThrow('ARM 64');
});

test('guest paths cannot break a header', () => {
  expect(analyzer(String.raw`printable(os.fsdecode(b"/tmp/a\nfiles/b%41\xff\xc3\xbc")).decode()`)).toBe(
    '/tmp/a%0Afiles/b%2541%FFü',
  );
  expect(analyzer(`file_header("files/x", "/tmp/x", {12, 3}).decode()`)).toBe(
    'FILE 2\nfiles/x\n/tmp/x\n3 12\n',
  );
});

test('strace strings come back as the bytes that they were', () => {
  expect(analyzer(String.raw`list(unescape(rb'/tmp/a\"b\\c\n\33[0m\303\274\1772'))`)).toEqual([
    ...Buffer.from('/tmp/a"b\\c\n\x1b[0mü\x7f2'),
  ]);
});

test('the keeper sees opens and names about to go, wherever the stream is cut', () => {
  const trace = String.raw`17    1700000000.000001 openat(AT_FDCWD, "/tmp/a", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3
17    1700000000.000002 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 4
18    1700000000.000003 openat(AT_FDCWD, "x", O_RDWR <unfinished ...>
17    1700000000.000004 openat(AT_FDCWD, "/tmp/no", O_WRONLY) = -1 EACCES (Permission denied)
18    1700000000.000005 <... openat resumed>) = 5
17    1700000000.000006 renameat2(AT_FDCWD, "a\"1", 7, "b, \"c\"", 0) = 0
17    1700000000.000007 unlink("/tmp/a"`;
  const code = (step: number) => `(lambda seen: (
    setattr(Keeper, "hold", lambda self, path, pid: seen.append(path) or True),
    (lambda k, d: [k.feed(d[i:i + ${step}]) for i in range(0, len(d), ${step})])(Keeper(None, 0, None), ${JSON.stringify(trace)}.encode()),
    sorted(set(seen)))[2])([])`;
  const expected = [
    '/proc/17/cwd/a"1',
    '/proc/17/fd/3',
    '/proc/17/fd/7/b, "c"',
    '/proc/17/root/tmp/a',
    '/proc/18/fd/5',
  ];
  expect(analyzer(code(1 << 20))).toEqual(expected);
  // Cut anywhere: nothing is missed. (A descriptor cut in two may be looked at by its first digits: harmless.)
  expect(analyzer(code(7))).toEqual(expect.arrayContaining(expected));
});

test('of an archive the named member is made ready beside its neighbours, and nothing leads outside', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'archive-'));
  const zip = join(dir, 'a.b.zip');
  const unpack = (member: string) =>
    analyzer(`unpack_member(${JSON.stringify(zip)}, {"filename": ${JSON.stringify(member)}})`);
  try {
    const members = {
      'bin/run.sh': 'echo',
      'bin/lib.sh': ':',
      '../out.sh': 'evil',
      'a.b.zip': 'its own name',
    };
    await writeFile(zip, rawZip(Object.entries(members).map(([name, content]) => ({ name, content }))));
    expect(() => unpack('no.sh')).toThrow('no file that is called like');
    expect(unpack('bin/run.sh')).toBe(join(dir, 'a.b', 'bin/run.sh'));
    expect((await stat(join(dir, 'a.b/bin/run.sh'))).mode & 0o777).toBe(0o755);
    expect(await readFile(join(dir, 'a.b/bin/lib.sh'), 'utf8')).toBe(':');
    expect(await readdir(dir)).toEqual(['a.b']);
    await writeFile(zip, rawZip([{ name: '../out.sh', content: 'evil' }]));
    expect(() => unpack('../out.sh')).toThrow();
    await writeFile(zip, 'no zip');
    expect(() => unpack('x')).toThrow('cannot be unpacked');
  } finally {
    await rm(dir, { recursive: true });
  }
});
