import { expect, test } from '@jest/globals';
import { Findings, told } from './findings.js';
import { mergeInis, parseIni } from './ini.js';

function read(text: string, variables?: ReadonlyMap<string, string>) {
  const findings = new Findings();
  const ini = parseIni({ file: 'x.conf', text }, findings, variables);
  return { ini, problems: findings.problems.map(told), notes: findings.notes.map(told) };
}

test('INI as Python 2 read it', () => {
  const text = [
    '\uFEFF# comment',
    '; comment',
    '[One]',
    'KEY = value with = and : in it',
    'other: 2 ; a comment',
    'kept = a;b ; c',
    'empty =',
    'quoted = ""',
    '',
    '   # an indented comment',
    '[two]\r',
    'key = 1',
    '[One]',
    'key = later',
    'percent = 100%% of %(NAME)s, 5%',
  ].join('\n');
  const { ini, problems, notes } = read(text, new Map([['NAME', 'it']]));
  expect(ini.entries.map(({ section, key, value, line }) => [section, key, value, line])).toEqual([
    ['One', 'other', '2', 5],
    ['One', 'kept', 'a;b ; c', 6],
    ['One', 'empty', '', 7],
    ['One', 'quoted', '', 8],
    ['two', 'key', '1', 12],
    ['One', 'key', 'later', 14],
    ['One', 'percent', '100% of it, 5%', 15],
  ]);
  expect(problems).toEqual([]);
  expect(notes).toEqual(['x.conf:14: [One] key was already set in line 4']);
});

test.each([
  ['key = 1', 'x.conf:1: a [section] line must come first'],
  ['[a]\njust words', 'x.conf:2: neither a [section] nor "key = value"'],
  ['[a]\n= 1', 'x.conf:2: neither a [section] nor "key = value"'],
  [
    '[a]\nkey = 1\n  more',
    'x.conf:3: the indented line would continue the value of "key"; remove the leading space',
  ],
  ['[a]\nkey = %(NOPE)s', '"NOPE" is not known: %(CUCKOO_…)s and %(ENV:…)s insert environment variables'],
  ['[a]\nkey = %(ENV:NOPE)s', 'the environment variable "NOPE" of %(ENV:NOPE)s is not set'],
  ['[a]\nkey = 5%(', 'x.conf:2: key: "%(" must be %(NAME)s with a known name, or written %%('],
])('refuses %j', (text, message) => {
  const { problems } = read(text);
  expect(problems).toEqual([expect.stringContaining(message)]);
  expect(problems[0]).toMatch(/^x\.conf:\d: /);
});

test('tells every wrong line of a file, not only the first', () => {
  expect(read('[a]\nnonsense\nkey = %(NO)s\ngood = 1\n  more').problems).toHaveLength(3);
});

test('variables are found in any case, and what they hold is not looked into again', () => {
  const variables = new Map([
    ['CUCKOO_FOO', 'foo'],
    ['ENV:HOME', '/home/%(x)s;y'],
  ]);
  const { ini } = read('[a]\none = %(cuckoo_foo)s/%(Cuckoo_Foo)s\ntwo = %(ENV:HOME)s', variables);
  expect(ini.entries.map(({ value }) => value)).toEqual(['foo/foo', '/home/%(x)s;y']);
});

test('a later file wins, key by key, and entries keep where they were written', () => {
  const findings = new Findings();
  const layer = (file: string, text: string) => parseIni({ file, text }, findings);
  const ini = mergeInis([layer('1', '[a]\nx = 1\ny = 1\n[b]'), layer('2', '\n\n[a]\nx = 2\n[c]\nz = 3')]);
  expect(ini.entries.map(({ file, line, key, value }) => [file, line, key, value])).toEqual([
    ['2', 4, 'x', '2'],
    ['1', 3, 'y', '1'],
    ['2', 6, 'z', '3'],
  ]);
  expect([...ini.sections]).toEqual([
    ['a', { file: '1', line: 1 }],
    ['b', { file: '1', line: 4 }],
    ['c', { file: '2', line: 5 }],
  ]);
  expect(findings).toMatchObject({ problems: [], notes: [] });
});
