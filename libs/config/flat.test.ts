import { expect, test } from '@jest/globals';
import { applyFlat } from './flat.js';

const files = new Map([
  ['kvm', '[kvm]\n# machines =\n'],
  ['cuckoo', '# mine\n'],
] as const);

test('lines set keys of any file and section', () => {
  const made = applyFlat(
    files,
    'f',
    '\uFEFF# lab\r\nkvm.kvm.machines = a, b.1\n\nkvm.b.1.ip=10.0.0.2\ncuckoo.timeouts.default = 30\n',
  );
  expect(made.get('kvm')).toBe('[kvm]\n# machines =\nmachines = a, b.1\n\n[b.1]\nip = 10.0.0.2\n');
  expect(made.get('cuckoo')).toBe('# mine\n\n[timeouts]\ndefault = 30\n');
  expect(files.get('cuckoo')).toBe('# mine\n');
});

test.each([
  ['kvm.machines = a', 'f:1: expected file.section.key = value'],
  ['\nkvm.a.b', 'f:2: expected file.section.key = value'],
  ['kmv.a.b = c', 'f:1: there is no kmv.conf; did you mean "kvm"?'],
  ['kvm.a.b = c ; d', 'f:1: [a] b = "c ; d": a .conf file cannot hold that'],
])('%j is refused', (text, message) => {
  expect(() => applyFlat(files, 'f', text)).toThrow(message);
});
