import { describe, expect, test } from '@jest/globals';
import { isPublicAddress } from './net-ranges.js';
import { StringFinder } from './strings.js';
import { readIrc, textService } from './text-protocols.js';
import { UrlFinder } from './urls.js';

function inChunks<T>(
  finder: { push(chunk: Uint8Array): void; finish(): T },
  bytes: Buffer,
  chunk: number,
): T {
  for (let at = 0; at < bytes.length; at += chunk) finder.push(bytes.subarray(at, at + chunk));
  return finder.finish();
}

describe('strings', () => {
  const bytes = Buffer.concat([
    Buffer.from('short\0long enough\x01'), Buffer.from('wide text', 'utf16le'), Buffer.from([1, 2]), Buffer.from('at odd', 'utf16le'), Buffer.from([0xff]),
    Buffer.from('x'.repeat(3000)),
  ]); // prettier-ignore

  test.each([1, 2, 3, 7, 10_000])('chunks of %i bytes: one byte each first, then two', (chunk) => {
    expect(inChunks(new StringFinder(), bytes, chunk)).toEqual([
      'long enough',
      'x'.repeat(1024),
      'wide text',
      'at odd',
    ]);
  });

  test('two thousand and forty-eight at most', () => {
    expect(inChunks(new StringFinder(), Buffer.from('string\0'.repeat(5000)), 999)).toHaveLength(2048);
  });
});

describe('URLs', () => {
  const text =
    'x http://a.example/p?q=1#f, "https://B.example:8443" http://10.0.0.1/. ftp://no.example http:// http://a.example/p?q=1#f';

  test.each([1, 5, 64, 10_000])('chunks of %i bytes', (chunk) => {
    expect(inChunks(new UrlFinder(), Buffer.from(text.padStart(5000)), chunk)).toEqual([
      'http://10.0.0.1/',
      'http://a.example/p?q=1#f',
      'https://B.example:8443',
    ]);
  });

  test('hostile bytes cost linear time', () => {
    const started = performance.now();
    for (const piece of ['http://', 'http://a', 'a', 'http://a/', 'h', '.']) {
      inChunks(new UrlFinder(), Buffer.from(piece.repeat(2_000_000 / piece.length)), 65_536);
    }
    expect(performance.now() - started).toBeLessThan(4000);
  });
});

test.each([
  ['EHLO me\r\n', '', 'smtp'],
  ['', '220 mx ESMTP\r\n', 'smtp'],
  ['USER anonymous\r\n', '220 ready\r\n', 'ftp'],
  ['NICK a\r\nUSER a 0 * :a\r\n', '', 'irc'],
  ['', ':irc.example NOTICE AUTH :hi\r\n', 'irc'],
  ['SSH-2.0-Go\r\n', '', 'ssh'],
  ['USER me\r\n', '+OK ready\r\n', 'pop3'],
  ['{"method":"login"}\n', '', null],
])('client %j, server %j speak %s', (client, server, expected) => {
  expect(textService(Buffer.from(client), Buffer.from(server))).toBe(expected);
});

test('IRC lines, with and without prefix', () => {
  expect(readIrc(Buffer.from(':srv 001 bot :hi\r\nPING x\nnoise\n\n'))).toEqual([
    { command: '001', params: 'bot :hi' },
    { command: 'PING', params: 'x' },
  ]);
});

test.each([
  ['8.8.8.8', true],
  ['10.1.2.3', false],
  ['198.18.0.1', false],
  ['255.255.255.255', false],
  ['2606:4700::1111', true],
  ['ff02::fb', false],
  ['fe80::1', false],
])('%s is public: %s', (ip, expected) => expect(isPublicAddress(ip)).toBe(expected));
