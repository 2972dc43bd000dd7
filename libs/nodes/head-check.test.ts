import { expect, test } from '@jest/globals';
import { HeadCheck } from './head-check.js';
import { kindOf, type ReportKind } from './report-kind.js';

/** Told what it begins with when it is no report of that format. */
function check(format: string, ...chunks: readonly Buffer[]): void {
  const head = new HeadCheck(kindOf(format) as Exclude<ReportKind, 'json'>);
  for (const chunk of chunks) head.add(chunk);
  head.end();
}

const PAGE = '<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>';
const TAR = Buffer.alloc(1024);
TAR.write('dump.pcap', 0);
TAR.write('ustar  ', 257);

test.each<[string, Buffer]>([
  ...['d4c3b2a1', 'a1b2c3d4', '4d3cb2a1', 'a1b23c4d', '0a0d0d0a'].map((magic): [string, Buffer] => [
    'pcap',
    Buffer.from(`${magic}02000400`, 'hex'),
  ]),
  ['pdf', Buffer.from('%PDF-1.7\n')],
  ['maec', Buffer.from('<?xml version="1.0"?>\n<maecBundle/>')],
  ['metadata', Buffer.from('\ufeff\n<malwareMetaData>')],
  ['html', Buffer.from(PAGE)],
  ['htmlsumary', Buffer.from('<div>')],
  ['all', Buffer.from('BZh91AY')],
  ['dropped', Buffer.from('1f8b0800', 'hex')],
  ['dist', Buffer.from('PK\x03\x04')],
  ['lite', Buffer.from('PK\x05\x06')],
  ['package_files', TAR],
  ['all', Buffer.alloc(10_240)],
  ['protobuf', Buffer.from('0a03', 'hex')],
])('%s may begin so, whatever pieces it comes in', (format, body) => {
  expect(() => check(format, body)).not.toThrow();
  expect(() => check(format, body.subarray(0, 2), Buffer.alloc(0), body.subarray(2))).not.toThrow();
});

test.each(['pcap', 'pdf', 'maec', 'metadata', 'all', 'dropped', 'package_files', 'dist', 'lite', 'protobuf'])(
  'a page is no %s',
  (format) => {
    for (const page of [
      PAGE,
      '<?xml version="1.0"?><!DOCTYPE html>',
      '<html>',
      '  <h1>Log in</h1>',
      PAGE.padEnd(5000),
    ])
      expect(() => check(format, Buffer.from(page))).toThrow('it begins with');
  },
);

test('nor is what ends too early, or text', () => {
  expect(() => check('pcap', Buffer.from('d4c3', 'hex'), Buffer.from('b2', 'hex'))).toThrow('it begins with');
  for (const format of ['pcap', 'pdf', 'maec', 'html', 'all'])
    expect(() => check(format, Buffer.from('Traceback (most recent call last):'))).toThrow(
      'it begins with "Traceback (most ',
    );
});
