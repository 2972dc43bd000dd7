import { expect, test } from '@jest/globals';
import { aMachine } from '../../test/support/machine.js';
import { serves, wanted, type Machine, type Requirements } from './machine.js';

const wants = (changes: Partial<Requirements> = {}): Requirements => ({
  ...{ machine: null, platform: null, arch: null, tags: [] },
  ...changes,
});

test.each<[Partial<Machine>, Partial<Requirements>, boolean]>([
  [{}, {}, true],
  [{}, { platform: 'linux' }, true],
  [{}, { platform: 'windows' }, false],
  [{ arch: 'x64' }, { arch: 'x64' }, true],
  [{ arch: 'x64' }, { arch: 'x86' }, true],
  [{ arch: 'x86' }, { arch: 'x64' }, false],
  [{ arch: 'arm64' }, { arch: 'x86' }, false],
  [{ tags: ['office', 'old'] }, { tags: ['old'] }, true],
  [{ tags: ['office', 'old'] }, { tags: ['old', 'office'] }, true],
  [{ tags: ['office'] }, { tags: ['office', 'old'] }, false],
  [{ reserved: true }, {}, false],
  [{ reserved: true }, { platform: 'linux' }, false],
  [{ reserved: true, tags: ['vip'] }, { tags: ['vip'] }, true],
  [{ reserved: true, tags: ['vip'] }, { tags: ['old'] }, false],
  [{ reserved: true }, { machine: 'one' }, true],
  [{}, { machine: 'one' }, true],
  [{ label: 'vm-7' }, { machine: 'vm-7' }, true],
  [{}, { machine: 'other' }, false],
  // A machine that was named is what is wanted, whatever else is.
  [{ arch: 'x86' }, { machine: 'one', platform: 'windows', arch: 'x64', tags: ['none'] }, true],
])('a machine %j serves %j: %s', (machine, asked, does) => {
  expect(serves(aMachine('one', machine), wants(asked))).toBe(does);
});

test('what was asked for ends a sentence', () => {
  expect(wanted(wants())).toBe('is open to any task');
  expect(wanted(wants({ machine: 'a"b', platform: 'linux' }))).toBe('is named "a\\"b"');
  expect(wanted(wants({ platform: 'linux', arch: 'x86', tags: ['a', 'b'] }))).toBe(
    'runs linux and has the architecture x86 and has the tags a, b',
  );
});
