import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { descriptor, quoted, quotedBytes, quotedList, socketAddress } from './strace-values.js';

describe('values in strace arguments', () => {
  test.each([
    ['"/etc/passwd"', '/etc/passwd'],
    ['"a\\"b\\\\c\\n"', 'a"b\\c\n'],
    ['"\\303\\274ml\\303\\244ut"', 'ümläut'],
    ['"\\377\\1a"', '\u00ff\u0001a'],
    ['"\\x41\\x7a"', 'Az'],
    ['"cut"...', 'cut'],
    ['NULL', null],
    ['0x7ffe', null],
    ['', null],
  ])('%s is the text %j', (arg, expected) => expect(quoted(arg)).toBe(expected));

  test('every buffer of a message is found', () => {
    expect(quotedBytes('[{iov_base="\\4evil\\0", iov_len=6}, {iov_base="\\"x"..., iov_len=900}]')).toEqual([
      Buffer.from('\x04evil\0'),
      Buffer.from('"x'),
    ]);
  });

  test('an argument vector, whole or cut', () => {
    expect(quotedList('["sh", "-c", "echo [, \\"x\\""]')).toEqual({
      items: ['sh', '-c', 'echo [, "x"'],
      cut: false,
    });
    expect(quotedList('["sh", "lo"..., "x"]')).toEqual({ items: ['sh', 'lo', 'x'], cut: true });
    expect(quotedList('["sh", ...]')).toEqual({ items: ['sh'], cut: true });
    expect(quotedList('[]')).toEqual({ items: [], cut: false });
    expect(quotedList('0x55')).toBeNull();
  });

  test.each([
    [
      '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("203.0.113.5")}',
      { ip: '203.0.113.5', port: 80 },
    ],
    [
      '{sa_family=AF_INET6, sin6_port=htons(9), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
      { ip: '::1', port: 9 },
    ],
    [
      '{sa_family=AF_INET6, sin6_port=htons(9), inet_pton(AF_INET6, "::ffff:10.0.0.1", &sin6_addr)}',
      { ip: '10.0.0.1', port: 9 },
    ],
    ['{sa_family=AF_UNIX, sun_path="/run/sa_family=AF_INET"}', null],
    ['{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.2.3.999")}', null],
    ['NULL', null],
  ])('%s', (arg, expected) => expect(socketAddress(arg)).toEqual(expected));

  test('descriptors', () => {
    expect([
      descriptor('3'),
      descriptor('3</tmp>'),
      descriptor('AT_FDCWD'),
      descriptor('-1'),
      descriptor(undefined),
    ]).toEqual([3, 3, null, null, null]);
  });

  test('any text is read without an error', () => {
    const piece = fc.oneof(
      fc.constantFrom('"', '\\', '\\x', '\\7', '...', '[', 'sa_family=AF_INET', '_port=htons('),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece), (parts) => {
        const arg = parts.join('');
        quoted(arg);
        quotedBytes(arg);
        quotedList(arg);
        socketAddress(arg);
      }),
    );
  });
});
