import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readStrings } from './strings.js';
import { submitOptions } from './submit-options.js';

test.each([
  ['http://google.com', 'http://google.com'],
  ['HTTPS://a.test:8443/x?y#z', 'HTTPS://a.test:8443/x?y#z'],
  ['cuckoosandbox.org', 'http://cuckoosandbox.org'],
  ['sub.domain.test/path?q=1', 'http://sub.domain.test/path?q=1'],
  ['müller.de', 'http://müller.de'],
  ['xn--mller-kva.xn--p1ai', 'http://xn--mller-kva.xn--p1ai'],
  ['1.2.3.4', 'http://1.2.3.4'],
  ['user:secret@a.test', 'http://user:secret@a.test'],
  ['http://[::1]:80/', 'http://[::1]:80/'],
  ['localhost:1', 'http://localhost:1'],
])('%s is the URL %s', (line, url) => {
  expect([...readStrings(line)]).toEqual([{ kind: 'url', url }]);
});

test.each([
  ...['two words', '1', 'word', '-a.test', 'a..test', 'http://', 'ftp://a.test/', 'javascript:alert(1)'],
  ...['999.1.1.1', 'http://a.test:99999/', 'http://a b.test/', 'a.test/\u0000', '/etc/passwd', 'file:///x'],
])('%j is neither a hash nor a URL', (line) => {
  expect([...readStrings(line)]).toEqual([
    { kind: 'error', why: expect.stringMatching(/^'.*' was neither a valid hash or url$/s) },
  ]);
});

test.each([32, 40, 64, 128])('%d hex digits are a hash', (digits) => {
  const hash = 'aB'.repeat(digits / 2);
  expect([...readStrings(hash)]).toEqual([
    { kind: 'error', why: expect.stringMatching(`^Error retrieving file hash: ${hash}`) },
  ]);
});

test('every line that is not blank is a URL or an error, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      for (const line of readStrings(text)) {
        if (line.kind === 'url') expect(URL.canParse(line.url) && !/\p{Cc}/u.test(line.url)).toBe(true);
        else expect(line.why).not.toMatch(/\p{Cc}/u);
      }
    }),
    { numRuns: 1000 },
  );
});

test('no line takes long to be looked at', () => {
  const lines = ['a.'.repeat(4000), 'a'.repeat(8000), `${'a-'.repeat(4000)}.test`, 'http://'.repeat(1000)];
  expect([...readStrings(lines.join('\n'))]).toHaveLength(4);
});

test.each([
  [null, 'procmemdump=yes'],
  ['procmemdump=no,free=yes', 'free=yes,procmemdump=no'],
  ['free=no,human=yes,remotecontrol=off', 'procmemdump=yes'],
  ['free=On,human=False,remotecontrol=1', 'free=yes,human=0,procmemdump=yes,remotecontrol=yes'],
  ['route=internet', 'procmemdump=yes,route=internet'],
  ['route=', 'procmemdump=yes'],
  ['free=perhaps', 'free=perhaps,procmemdump=yes'],
])('options %j become %s', (options, expected) => {
  expect(submitOptions(options)).toBe(expected);
});

test('the member of an archive is the one that is meant, whatever the client says', () => {
  expect(submitOptions('filename=/etc/passwd', { filename: 'a.exe' })).toBe('filename=a.exe,procmemdump=yes');
});
