import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatOptions, parseOptions } from '#domain/task.js';
import { MemberPaths, safePath } from './member-paths.js';

const ODD = [
  '..',
  '.',
  '',
  'a',
  'A',
  'a.exe',
  'con',
  'NUL.txt',
  'a,b',
  'a;b',
  ' ',
  '. .',
  '\u0000',
  '\ud800',
  'é',
];
const raw = fc
  .array(fc.oneof(fc.constantFrom(...ODD), fc.string({ unit: 'binary', maxLength: 12 })), { maxLength: 5 })
  .chain((names) => fc.constantFrom('/', '\\').map((slash) => names.join(slash)))
  .chain((path) => fc.constantFrom(path, `/${path}`, `C:\\${path}`, `${path}/`));

test.each([
  ['../../etc/passwd', 'etc/passwd'],
  ['/abs/x', 'abs/x'],
  ['C:\\Windows\\a,b.exe', 'C_/Windows/a_b.exe'],
  ['a/./b//c', 'a/b/c'],
  [' x . ', 'x'],
  ['..', 'file'],
  ['', 'file'],
  ['nul.txt', '_nul.txt'],
  ['\u202Egpj.exe', '\u202Egpj.exe'],
  [`${'é'.repeat(300)}.docx`, `${'é'.repeat(97)}.docx`],
])('%j becomes %j', (name, path) => {
  expect(safePath(name)).toBe(path);
});

test('names that are the same on any system are told apart', () => {
  const paths = new MemberPaths();
  const all = ['a/b.exe', 'A/B.EXE', 'a', 'a/b.exe/c', 'a/b.exe'].map((name) => paths.add(name));
  expect(all).toEqual(['a/b.exe', 'A/B~2.EXE', 'a~2', 'a/b~3.exe/c', 'a/b~4.exe']);
});

describe('whatever an archive calls its members', () => {
  test('each path is relative, stays inside, and has no part that a system reads in its own way', () => {
    fc.assert(
      fc.property(raw, (name) => {
        const path = safePath(name);
        expect(join('/in', path).startsWith('/in/')).toBe(true);
        expect(Buffer.byteLength(path)).toBeLessThanOrEqual(1000);
        for (const part of path.split('/')) {
          expect(part).not.toMatch(/^\.{0,2}$|[\p{Cc}\p{Cs}\\:*?"<>|,;]|^\s|[.\s]$|^(?:con|nul)(?:\.|$)/iu);
          expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('each path comes back from a task’s options as it went in', () => {
    fc.assert(
      fc.property(raw, (name) => {
        const filename = safePath(name);
        const options = formatOptions(new Map([['a', 'b'], ['filename', filename], ['z', '1']])); // prettier-ignore
        expect(parseOptions(options).get('filename')).toBe(filename);
      }),
      { numRuns: 2000 },
    );
  });

  test('all are different, and none is a folder of another', () => {
    fc.assert(
      fc.property(fc.array(raw, { maxLength: 12 }), (names) => {
        const paths = new MemberPaths();
        const all = names.map((name) => paths.add(name).toLowerCase());
        expect(new Set(all).size).toBe(all.length);
        for (const one of all) expect(all.some((other) => other.startsWith(`${one}/`))).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
