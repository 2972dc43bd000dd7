import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from '@jest/globals';

import { cpio } from './cpio.js';
import { dependencies } from './modules.js';
import { hashOf, packagesOf, DEFAULT_RECIPE } from './recipe.js';
import { tarEntries } from './tar.js';

test('tar reads what we write, and goes on into the archive that follows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tar-'));
  try {
    const own = tarEntries([
      { path: 'a', mode: 0o700, uid: 0, gid: 0, mtime: 1_700_000_000 },
      { path: 'a/one.txt', content: Buffer.from('one'), mode: 0o600, uid: 0, gid: 0, mtime: 1_700_000_001 },
      { path: 'a/block', content: Buffer.alloc(512, 'x'), mode: 0o755, uid: 0, gid: 0, mtime: 1_700_000_002 },
    ]);
    expect(own.length % 512).toBe(0);
    writeFileSync(join(folder, 'two.txt'), 'two');
    const follow = execFileSync('tar', ['-C', folder, '-c', 'two.txt']);
    execFileSync('tar', ['-C', folder, '-x'], { input: Buffer.concat([own, follow]) });
    expect(readFileSync(join(folder, 'a/one.txt'), 'utf8')).toBe('one');
    expect(readFileSync(join(folder, 'a/block'), 'utf8')).toBe('x'.repeat(512));
    const one = statSync(join(folder, 'a/one.txt'));
    expect([one.mode & 0o777, one.mtimeMs]).toEqual([0o600, 1_700_000_001_000]);
    expect(readFileSync(join(folder, 'two.txt'), 'utf8')).toBe('two');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a path that does not fit a tar header is refused', () => {
  const entry = { path: 'x'.repeat(101), content: Buffer.alloc(0), mode: 0o644, uid: 0, gid: 0, mtime: 0 };
  expect(() => tarEntries([entry])).toThrow(RangeError);
});

test('a newc archive has padded headers, names and contents', () => {
  const archive = cpio([{ path: 'init', mode: 0o100755, content: Buffer.from('hello') }]);
  expect(archive.toString('latin1', 0, 6)).toBe('070701');
  const field = (n: number) => Number.parseInt(archive.toString('latin1', 6 + n * 8, 14 + n * 8), 16);
  expect([field(1), field(6), field(11)]).toEqual([0o100755, 5, 5]); // mode, size, name with its NUL
  expect(archive.toString('latin1', 110, 115)).toBe('init\0');
  expect(archive.toString('latin1', 116, 121)).toBe('hello'); // 110 + 5, padded to 4
  expect(archive.length % 4).toBe(0);
  expect(archive.includes('TRAILER!!!')).toBe(true);
  expect(cpio([])).toEqual(cpio([]));
});

test('module dependencies come from .modinfo, with either spelling', () => {
  const modinfo = (text: string) => Buffer.from(`ELF\0license=GPL\0${text}\0retpoline=Y\0`);
  expect(dependencies(modinfo('depends=virtio,virtio-ring'))).toEqual(['virtio', 'virtio_ring']);
  expect(dependencies(modinfo('depends='))).toEqual([]);
  expect(dependencies(Buffer.from('nothing'))).toEqual([]);
});

test('the hash depends on where one part ends and the next begins', () => {
  expect(hashOf(['ab', 'c'])).not.toBe(hashOf(['a', 'bc']));
  expect(hashOf(['a'])).toMatch(/^[0-9a-f]{16}$/);
});

test('packages of a recipe are names only', () => {
  expect(packagesOf({ ...DEFAULT_RECIPE, node: true, packages: ['gcc'] })).toEqual(
    expect.arrayContaining(['gcc', 'nodejs', 'strace']),
  );
  expect(() => packagesOf({ ...DEFAULT_RECIPE, packages: ['--dpkgopt=x'] })).toThrow(TypeError);
  expect(() => packagesOf({ ...DEFAULT_RECIPE, packages: ['a,b'] })).toThrow(TypeError);
});
