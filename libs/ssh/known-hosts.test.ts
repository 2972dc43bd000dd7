import { createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { keyType, linesFor, parseKnownHosts, verdict } from './known-hosts.js';
import { shellLine } from './quote.js';

const KEY = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIJq3', 'base64');
const OTHER = Buffer.from('AAAAC3NzaC1lZDI1NTE5AAAAIJq4', 'base64');
const line = (hosts: string, key = KEY, marker = '') =>
  `${marker}${hosts} ssh-ed25519 ${key.toString('base64')} comment`;
const ask = (text: string, host: string, port = 22, key = KEY) =>
  verdict(linesFor(parseKnownHosts(text), { host, port }), key);

test('a name, an alias, a port, a pattern and a hashed name are all the server', () => {
  const salt = Buffer.from('pepper');
  const hash = createHmac('sha1', salt).update('lab.example').digest('base64');
  expect(ask(line('lab.example,10.0.0.1'), 'LAB.example')).toBe('known');
  expect(ask(line('lab.example,10.0.0.1'), '10.0.0.1')).toBe('known');
  expect(ask(line('[lab.example]:2222'), 'lab.example', 2222)).toBe('known');
  expect(ask(line('lab.example'), 'lab.example', 2222)).toBe('unknown');
  expect(ask(line('*.example'), 'lab.example')).toBe('known');
  expect(ask(line('l?b.ex*e'), 'lab.example')).toBe('known');
  expect(ask(line(`|1|${salt.toString('base64')}|${hash}`), 'lab.example')).toBe('known');
  expect(ask(line(`|1|${salt.toString('base64')}|${hash}`), 'other.example')).toBe('unknown');
});

test('a negated pattern takes a server out', () => {
  expect(ask(line('*.example,!lab.example'), 'lab.example')).toBe('unknown');
  expect(ask(line('*.example,!lab.example'), 'two.example')).toBe('known');
});

test('another key, or one of another type, is a change; a revoked one stays revoked', () => {
  expect(ask(line('lab'), 'lab', 22, OTHER)).toBe('changed');
  expect(ask(`${line('lab')}\n${line('lab', OTHER)}`, 'lab', 22, OTHER)).toBe('known');
  expect(ask(`${line('lab')}\n${line('*', KEY, '@revoked ')}`, 'lab')).toBe('revoked');
  expect(ask(line('*', KEY, '@revoked '), 'lab', 22, OTHER)).toBe('unknown');
});

test('what is no line is passed over', () => {
  expect(
    parseKnownHosts(
      '# x y z\n\n  \nlab\nlab ssh-ed25519\n@cert-authority * ssh-rsa AAAA\n@odd * ssh-rsa AAAA',
    ),
  ).toEqual([]);
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, host) => {
      verdict(linesFor(parseKnownHosts(text), { host, port: 22 }), KEY);
    }),
  );
});

test('the type of a key is read from it, whatever it is', () => {
  expect(keyType(KEY)).toBe('ssh-ed25519');
  fc.assert(fc.property(fc.uint8Array(), (bytes) => typeof keyType(Buffer.from(bytes)) === 'string'));
});

test('a shell line quotes what a shell would touch', () => {
  expect(shellLine(['ls', '-l', '/a b', "it's"])).toBe(`ls -l '/a b' 'it'\\''s'`);
  expect(shellLine(['a=b', '~'])).toBe(`'a=b' '~'`);
  expect(() => shellLine([])).toThrow(RangeError);
  expect(() => shellLine(['a\0b'])).toThrow('NUL');
});
