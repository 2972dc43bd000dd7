import { describe, expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { fakeSettings } from './fake-conf.js';

const read = (text: string) => readText(fakeSettings, text, 'fake.conf');
const refusal = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
};

test('without a file there are four equal Linux machines that do nothing wrong', () => {
  expect(read('')).toEqual({
    settings: {
      guests: 4,
      equal: {
        ...{ platform: 'linux', arch: 'x64', tags: ['fake'], reserved: 'auto' },
        ...{ run_ms: 200, boot_ms: 0, fault: [] },
      },
      machines: [],
    },
    warnings: [],
  });
});

test('a section describes one machine; what it does not say, [fake] says', () => {
  const { settings, warnings } = read(`
[fake]
machines = 8, office, phone
run_ms = 50
fault = hang 1%
[office]
platform = windows
tags = office, internet
reserved = yes
fault = crash 2.5%, no_stop 1%
[phone]
label = Pixel
platform = android
arch = arm64
ip = 192.0.2.7
fault = none
[left]
arch = x86
`);
  expect(settings.guests).toBe(8);
  expect(settings.machines).toMatchObject([
    {
      name: 'office',
      label: 'office',
      platform: 'windows',
      tags: ['office', 'internet'],
      reserved: 'yes',
      run_ms: 50,
      fault: [
        { fault: 'crash', percent: 2.5 },
        { fault: 'no_stop', percent: 1 },
      ],
    },
    { name: 'phone', label: 'Pixel', arch: 'arm64', ip: '192.0.2.7', reserved: 'auto', fault: [] },
  ]);
  expect(settings.equal.fault).toEqual([{ fault: 'hang', percent: 1 }]);
  expect(warnings).toEqual(['fake.conf:17: [left] is not named in [fake] machines and has no effect']);
});

describe('what is wrong is named', () => {
  test.each([
    ['[fake]\nfault = explode', 'fake.conf:2: [fake] fault = "explode": expected none, or faults'],
    ['[fake]\nfault = crash 60%, hang 60%', 'fake.conf:2: [fake] fault = "crash 60%, hang 60%": expected'],
    ['[fake]\nfault = crash 5', 'fake.conf:2: [fake] fault = "crash 5": expected'],
    ['[fake]\nmachines = 4;', 'fake.conf:2: [fake] machines = "4;": expected a number, names of sections'],
    ['[fake]\nmachine = 4', 'fake.conf:2: [fake] machine is not a known key; did you mean "machines"?'],
    [
      '[fake]\nmachines = a\n[a]\nfualt = hang',
      'fake.conf:4: [a] fualt is not a known key; did you mean "fault"?',
    ],
    ['[fake]\nmachines = offce\n[office]', 'there is no section [offce]; did you mean "office"?'],
  ])('%j', (text, message) => {
    expect(refusal(text)).toContain(message);
  });
});
