import { expect, test } from '@jest/globals';
import { fileFacts } from './file-facts.js';

test('facts of a small script match what the usual tools print', async () => {
  const script = Buffer.from('#!/bin/sh\necho hello\n');
  expect(await fileFacts([script.subarray(0, 3), script.subarray(3)])).toEqual({
    size: 21,
    crc32: '173FD479',
    md5: 'd604a220708aa59433ba410986cd4ffa',
    sha1: '9db6f074fca0a903137b91c7c866b21d4e7205a7',
    sha256: 'bfdeaeb08cffb6a36438bcd12dda25417e3cdd36f1e7e482a2849d539225288b',
    sha512:
      '21c8b1b3d6bb72ee5a2025efa2a9eab0e18f79bc346e30f269b474b9865edf2c53cb02538027314d4511bc21ef7f4dd46296c8dd7f885a97afe4420dac62cca4',
    ssdeep: '3:TKH4vABwJG:hxJG',
    type: 'POSIX shell script, ASCII text executable',
  });
});

test('an empty file has facts too', async () => {
  expect(await fileFacts([])).toMatchObject({ size: 0, crc32: '00000000', ssdeep: '3::', type: 'empty' });
});

test('the type is told from the first MiB, whatever the size', async () => {
  const elf = Buffer.from('7f454c4602010100000000000000000002003e0001000000', 'hex');
  const facts = await fileFacts([elf, Buffer.alloc(3 * 1024 * 1024)]);
  expect(facts.type).toMatch(/^ELF 64-bit LSB executable, x86-64/);
  expect(facts.size).toBe(elf.length + 3 * 1024 * 1024);
});
