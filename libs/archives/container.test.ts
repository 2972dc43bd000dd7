import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rawZip } from '../../test/support/archives.js';
import { containerKind, isDocument } from './container.js';

const at = (offset: number, text: string) =>
  Buffer.concat([Buffer.alloc(offset), Buffer.from(text, 'latin1'), Buffer.alloc(100)]);

test.each([
  ['zip', at(0, 'PK\x03\x04')],
  ['7z', at(0, '7z\xbc\xaf\x27\x1c')],
  ['Rar', at(0, 'Rar!\x1a\x07\x00')],
  ['Rar5', at(0, 'Rar!\x1a\x07\x01\x00')],
  ['tar', at(257, 'ustar')],
  ['Iso', at(0x8001, 'CD001')],
  ['Udf', Buffer.concat([at(0x8001, 'CD001' + '\0'.repeat(2043)).subarray(0, 0x8801), at(0, 'BEA01')])],
  ['Lzh', at(2, '-lh5-')],
  [null, at(0, 'MZ')],
  [null, at(0, '\xd0\xcf\x11\xe0')],
  [null, at(0, '%PDF-1.4')],
  [null, Buffer.alloc(0)],
])('%s is known by its bytes, whatever its name', (kind, head) => {
  expect(containerKind(head, 'a.exe')).toBe(kind);
  expect(containerKind(head, 'a.zip')).toBe(kind);
});

test('a mail is text with headers: by its name, or by what every mail with attachments has', () => {
  const mail = Buffer.from('From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n');
  expect(containerKind(mail, 'x')).toBe('eml');
  expect(containerKind(Buffer.from('Subject: x\r\n\r\nhi'), 'x.EML')).toBe('eml');
  expect(containerKind(Buffer.from('Subject: x\r\n\r\nhi'), 'x.txt')).toBeNull();
  expect(containerKind(Buffer.from('hello'), 'x.eml')).toBeNull();
});

test('a zip with the marks of a document or a program is one', () => {
  expect(isDocument(['[Content_Types].xml', 'word/document.xml'])).toBe(true);
  expect(isDocument(['META-INF/MANIFEST.MF', 'A.class'])).toBe(true);
  expect(isDocument(['docs/[Content_Types].xml'])).toBe(false);
  const zip = (name: string) => rawZip([{ name, content: 'x' }, { name: 'b', content: 'y' }]); // prettier-ignore
  expect(containerKind(zip('[Content_Types].xml'), 'a.zip')).toBeNull();
  expect(containerKind(zip('a'), 'a.docx')).toBe('zip');
  expect(containerKind(zip(`mimetype${'x'.repeat(300)}`), 'a.zip')).toBe('zip');
});

test('no bytes make it fail', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.string(), (bytes, name) => {
      expect(containerKind(Buffer.from(bytes), name)).toBeDefined();
    }),
  );
});
