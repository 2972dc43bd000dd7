import { beforeAll, expect, jest, test } from '@jest/globals';
import type { Evidence } from '#domain/report.js';
import {
  call,
  dns,
  evidence,
  fileReport,
  flow,
  http,
  type EvidenceSketch,
} from '../../test/support/evidence.js';
import { cpuTime } from '../../test/support/cpu-time.js';
import { matchSignatures } from './engine.js';
import { loadSignatures, parseRules } from './load.js';
import { iocMark } from './marks.js';
import type { CodeSignature, Signature } from './signature.js';

// Other work on the machine may slow this down.
jest.setTimeout(60_000);

const about = 'description: Does a thing\nseverity: 2\n';
const rules = (...whens: string[]): readonly Signature[] =>
  parseRules(whens.map((when, i) => `name: rule_${i}\n${about}when: ${when}`).join('\n---\n'), 'test.yaml');
const names = (sketch: EvidenceSketch, signatures: readonly Signature[]): string[] =>
  matchSignatures(evidence(sketch), signatures).map(({ name }) => name);

test('sorts by severity, then by name, and keeps 50 marks but counts all', () => {
  const code = (name: string, severity: 1 | 5): CodeSignature => ({
    name,
    description: 'test',
    severity,
    match: () => Array.from({ length: 70 }, (_, i) => iocMark('file', `${i}`)),
  });
  const matches = matchSignatures(evidence(), [code('z', 1), code('b', 5), code('a', 5)]);
  expect(matches.map(({ name }) => name)).toEqual(['z', 'a', 'b']);
  expect(matches[0]?.marks).toHaveLength(50);
  expect(matches[0]?.markcount).toBe(70);
});

test('a signature that throws costs only itself', () => {
  const failures: unknown[] = [];
  const broken: CodeSignature = {
    name: 'broken',
    description: 'test',
    severity: 1,
    match: () => {
      throw new TypeError('oops');
    },
  };
  const sound: CodeSignature = {
    name: 'sound',
    description: 'test',
    severity: 1,
    match: () => [iocMark('a', 'b')],
  };
  const matches = matchSignatures(evidence(), [broken, sound], (name, error) =>
    failures.push([name, String(error)]),
  );
  expect(matches.map(({ name }) => name)).toEqual(['sound']);
  expect(failures).toEqual([['broken', 'TypeError: oops']]);
});

test('all, any, not and at_least mean what they say', () => {
  const signatures = rules(
    '{ all: [{ process_name: a }, { process_name: b }] }',
    '{ any: [{ process_name: a }, { process_name: b }] }',
    '{ all: [{ process_name: a }, { not: { process_name: b } }] }',
    '{ at_least: 2, of: [{ process_name: a }, { process_name: b }, { process_name: c }] }',
  );
  expect(names({ processes: [{ name: 'a' }] }, signatures)).toEqual(['rule_1', 'rule_2']);
  expect(names({ processes: [{ name: 'a' }, { name: 'b' }] }, signatures)).toEqual([
    'rule_0',
    'rule_1',
    'rule_3',
  ]);
  expect(names({}, signatures)).toEqual([]);
});

test('a glob star stops at a slash, two stars do not', () => {
  const signatures = rules('{ file_written: { glob: /a/*/c } }', '{ file_written: { glob: /a/**/c } }');
  expect(names({ processes: [{ summary: { file_written: ['/a/b/b/c'] } }] }, signatures)).toEqual(['rule_1']);
  expect(names({ processes: [{ summary: { file_written: ['/a/b/c'] } }] }, signatures)).toEqual([
    'rule_0',
    'rule_1',
  ]);
});

const at = (seconds: number) => ({ time: 1_800_000_000 + seconds });

test('calls are counted within a time, per process or per run, by value', () => {
  const signatures = rules(
    '{ call: { api: kill, count: 3, seconds: 5 } }',
    '{ call: { api: kill, count: 3, scope: process } }',
    '{ call: { api: kill, count: 3, distinct: p0 } }',
  );
  const kills = (...list: [pid: string, seconds: number][]) =>
    list.map(([pid, s]) => call('kill', [pid], at(s)));
  expect(names({ processes: [{ calls: kills(['1', 0], ['1', 3], ['1', 9]) }] }, signatures)).toEqual([
    'rule_1',
  ]);
  expect(
    names({ processes: [{ calls: kills(['1', 0], ['2', 3]) }, { calls: kills(['3', 4]) }] }, signatures),
  ).toEqual(['rule_0', 'rule_2']);
});

test('a sequence needs its order, its variables, its process and its time', () => {
  const steps =
    '[{ api: openat, remember: { path: p1 } }, { api: chmod, same: { p0: path } }, { api: execve, same: { p0: path } }]';
  const signatures = rules(
    `{ sequence: { steps: ${steps}, seconds: 60 } }`,
    `{ sequence: { steps: ${steps}, scope: run } }`,
  );
  const open = (path: string, s: number) => call('openat', ['AT_FDCWD', path], at(s));
  const chmod = (path: string, s: number) => call('chmod', [path], at(s));
  const exec = (path: string, s: number) => call('execve', [path], at(s));

  expect(
    names(
      { processes: [{ calls: [open('/a', 0), open('/b', 1), chmod('/a', 2), exec('/a', 3)] }] },
      signatures,
    ),
  ).toHaveLength(2);
  expect(
    names({ processes: [{ calls: [open('/a', 0), chmod('/b', 1), exec('/a', 2)] }] }, signatures),
  ).toEqual([]);
  expect(
    names({ processes: [{ calls: [exec('/a', 0), chmod('/a', 1), open('/a', 2)] }] }, signatures),
  ).toEqual([]);
  expect(
    names({ processes: [{ calls: [open('/a', 0), chmod('/a', 1), exec('/a', 99)] }] }, signatures),
  ).toEqual(['rule_1']);
  expect(
    names(
      { processes: [{ calls: [exec('/a', 2)] }, { calls: [open('/a', 0)] }, { calls: [chmod('/a', 1)] }] },
      signatures,
    ),
  ).toEqual(['rule_1']);
});

let all: readonly Signature[] = [];
beforeAll(async () => void (all = await loadSignatures()));

const MEGABYTE = 1_000_000;
const HOSTILE = [
  '/',
  'a',
  'curl ',
  'base64 -d |',
  '.',
  '=',
  ' -',
  '\\x41',
  '/tmp/.',
  '/home/a/',
  '"method":',
  '\0',
  '${IFS}',
];

/** Every text a rule can look at, set to the same hostile megabyte. */
function poisoned(text: string): Evidence {
  const list = [text];
  return evidence({
    target: { category: 'file', file: fileReport({ name: text, type: `ELF ${text}` }) },
    strings: list,
    processes: [
      {
        name: text,
        path: text,
        command: text,
        summary: {
          file_created: list,
          file_opened: list,
          file_read: list,
          file_written: list,
          file_deleted: list,
          file_failed: list,
          file_executed: list,
          directory_created: list,
          directory_removed: list,
          connects_ip: list,
          resolves_host: list,
          file_moved: [[text, `${text}.x`]],
          file_chmod: [[text, text]],
        },
        calls: ['execve', 'connect', 'prctl', 'ptrace', 'clone', 'unlink', 'memfd_create'].map((api) =>
          call(api, [text, text]),
        ),
      },
    ],
    network: {
      dns: [dns(text)],
      http: [{ ...http('http://a.example/'), uri: text, body: text, data: text, 'user-agent': text }],
      tcp: [flow(text, 1)],
      smtp: [{ dst: text, raw: text }],
      irc: [{ command: text, params: text, type: 'client' }],
      hosts: list,
    },
  });
}

test.each(HOSTILE)('megabytes of %j in every field cost a bounded time', (unit) => {
  const hostile = poisoned(unit.repeat(Math.floor(MEGABYTE / unit.length)));
  const failures: string[] = [];
  const elapsed = cpuTime();
  matchSignatures(hostile, all, (name) => failures.push(name));
  expect(elapsed()).toBeLessThan(3000);
  expect(failures).toEqual([]);
});

test('a hundred thousand calls and files cost seconds at most, whatever the number of rules', () => {
  const many = evidence({
    processes: [
      {
        calls: Array.from({ length: 100_000 }, (_, i) =>
          call('openat', ['AT_FDCWD', `/usr/lib/x${i}`, 'O_RDONLY']),
        ),
        summary: { file_opened: Array.from({ length: 100_000 }, (_, i) => `/usr/lib/x${i}`) },
      },
    ],
  });
  matchSignatures(evidence(), all);
  const elapsed = cpuTime();
  expect(matchSignatures(many, all)).toEqual([]);
  expect(elapsed()).toBeLessThan(2000);
});

test('a guest that fills the trace with first steps cannot slow the engine down', () => {
  const flood = evidence({
    processes: [
      {
        calls: Array.from({ length: 50_000 }, (_, i) =>
          call(['memfd_create', 'connect', 'execve', 'kill', 'unlink'][i % 5] ?? '', [
            `/proc/self/fd/${i}`,
            'AF_INET',
          ]),
        ),
      },
    ],
  });
  const elapsed = cpuTime();
  matchSignatures(flood, all);
  expect(elapsed()).toBeLessThan(3000);
});
