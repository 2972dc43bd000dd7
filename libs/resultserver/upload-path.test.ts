import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Dialect } from './header.js';
import { UPLOAD_FOLDERS, uploadPath, versioned } from './upload-path.js';

/** The stored path, or `refused`: the table of spec protocols.md §1.4. */
function stored(sent: string | Buffer, dialect: Dialect = 'cuckoo2'): string {
  try {
    const { folder, name } = uploadPath(Buffer.from(sent), dialect);
    return `${folder}/${name}`;
  } catch (error) {
    expect(error).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    return 'refused';
  }
}

describe('the table of sent paths', () => {
  test.each([
    ['files/a', 'files/a', 'files/a'],
    ['files\\a', 'files/a', 'files/a'],
    ['files//a', 'files/a', 'files/a'],
    ['files/../x', 'refused', 'refused'],
    ['../x', 'refused', 'refused'],
    ['/files/a', 'refused', 'refused'],
    ['./files/a', 'refused', 'refused'],
    ['files', 'refused', 'refused'],
    ['', 'refused', 'refused'],
    ['FILES/a', 'refused', 'refused'],
    ['files/a\\b', 'refused', 'refused'],
    ['files/..', 'refused', 'refused'],
    ['files\\..', 'refused', 'refused'],
    ['files/.', 'refused', 'refused'],
    ['files/', 'refused', 'refused'],
    ['files/a:b\0c', 'files/aXbXc', 'files/aXbXc'],
    ['reports/report.json', 'refused', 'refused'],
    ['buffer/x', 'buffer/x', 'refused'],
    ['extracted/x', 'extracted/x', 'refused'],
    ['package_files/x', 'package_files/x', 'package_files/x'],
    ['CAPE/x', 'refused', 'CAPE/x'],
    ['aux/amsi_etw/x', 'refused', 'aux/amsi_etw/x'],
    ['aux/other/x', 'refused', 'refused'],
    ['logs/strace.log', 'logs/strace.log', 'logs/strace.log'],
    ['logs/752.bson', 'refused', 'refused'],
    ['logs/STRACE.log', 'refused', 'refused'],
    ['analysis.log', 'refused', 'refused'],
    ['files.json', 'refused', 'refused'],
    ['//host/share', 'refused', 'refused'],
    ['C:\\files\\a', 'refused', 'refused'],
    ['files\0/a', 'refused', 'refused'],
    ['ﬁles/a', 'refused', 'refused'],
  ])('%j is %s for Cuckoo, %s for CAPE', (sent, cuckoo, cape) => {
    expect(stored(sent)).toBe(cuckoo);
    expect(stored(sent, 'malkoha')).toBe(cuckoo);
    expect(stored(sent, 'cape')).toBe(cape);
  });
});

describe('names are made safe, so that an odd name hides no file', () => {
  test.each([
    ['files/.bashrc', 'files/_bashrc'],
    ['files/-rf', 'files/_rf'],
    ['files/.1.part', 'files/_1.part'],
    ['files/naïve отчёт.exe', 'files/naïve отчёт.exe'],
    ['files/gpj\u202Eexe.scr', 'files/gpjXexe.scr'],
    ['files/a\nb\x7f\x9b', 'files/aXbXX'],
    ['files/$(id)`|;&<>"\'*?', 'files/X(id)XXXXXXXXXX'],
  ])('%j is stored as %j', (sent, expected) => expect(stored(sent)).toBe(expected));

  test('a name that is not UTF-8 keeps what is', () => {
    expect(stored(Buffer.from([...Buffer.from('files/a'), 0xff, 0x62]))).toBe('files/aXb');
  });

  test('a name of 300 bytes is cut, on a character, and keeps its extension', () => {
    expect(stored(`files/${'a'.repeat(300)}.exe`)).toBe(`files/${'a'.repeat(196)}.exe`);
    const { name } = uploadPath(Buffer.from(`files/${'é'.repeat(150)}`), 'cuckoo2');
    expect(name).toBe('é'.repeat(100));
  });
});

test('whatever is sent, the stored path is one component in a listed folder', () => {
  const part = fc.oneof(
    fc.constantFrom('files', 'logs', '..', '.', '', 'CAPE', 'reports', '\0', '~', 'C:'),
    fc.string({ unit: 'binary', maxLength: 300 }),
  );
  const separator = fc.constantFrom('/', '\\', '//', '\\/');
  const path = fc.array(fc.tuple(part, separator), { maxLength: 4 }).map((parts) => parts.flat().join(''));
  fc.assert(
    fc.property(path, part, fc.constantFrom<Dialect>('cuckoo2', 'cape', 'malkoha'), (head, tail, dialect) => {
      const result = stored(head + tail, dialect);
      if (result === 'refused') return;
      const { folder, name } = uploadPath(Buffer.from(head + tail), dialect);
      expect([...UPLOAD_FOLDERS[dialect], 'logs']).toContain(folder);
      expect(name).toMatch(/^[^./\\\p{C}-][^/\\\p{C}]*$/u);
      expect(Buffer.byteLength(versioned(name, 16))).toBeLessThanOrEqual(255);
    }),
    { numRuns: 1000 },
  );
});

test('a version goes before the extension', () => {
  expect(versioned('a.b.exe', 0)).toBe('a.b.exe');
  expect(versioned('a.b.exe', 2)).toBe('a.b.2.exe');
  expect(versioned('a', 1)).toBe('a.1');
});

test('only CAPE may replace, and only its growing snapshots', () => {
  expect(uploadPath(Buffer.from('tlsdump/tlsdump.log'), 'cape').replaces).toBe(true);
  expect(uploadPath(Buffer.from('aux/dns_etw.json'), 'cape').replaces).toBe(true);
  expect(uploadPath(Buffer.from('files/a'), 'cape').replaces).toBe(false);
  expect(uploadPath(Buffer.from('files/a'), 'malkoha').replaces).toBe(false);
});
