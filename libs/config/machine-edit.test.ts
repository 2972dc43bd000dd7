import { describe, expect, test } from '@jest/globals';
import { defaultFile } from './files.js';
import { addMachine, machineryOf, removeMachine } from './machine-edit.js';

const KVM = `# my lab
[kvm]
machines = win7 ; the old one
interface : br0

# Bought in 2014.
[win7]
label = Windows 7
ip = 10.0.0.7
`;
const conf = (kvm = KVM, more: Readonly<Record<string, string>> = {}) => ({
  confDir: '/h/conf',
  texts: new Map([['/h/conf/kvm.conf', kvm], ...Object.entries(more)]),
});
const keys = (pairs: Readonly<Record<string, string>> = {}) => new Map(Object.entries(pairs));

describe('a machine that is added', () => {
  test('has a section at the end and its name in the list; nothing else differs', () => {
    const { file, text } = addMachine(conf(), 'kvm', 'win10', keys({ ip: '10.0.0.10', tags: 'a, b' }));
    expect(file).toBe('/h/conf/kvm.conf');
    expect(text).toBe(
      `${KVM.replace('= win7 ;', '= win7, win10 ;')}\n[win10]\nip = 10.0.0.10\ntags = a, b\n`,
    );
    expect(removeMachine(conf(text), 'kvm', 'win10').text).toBe(KVM);
  });

  test('may be the first one of a file that is not there yet', () => {
    const { file, text } = addMachine(
      { ...conf(), texts: new Map() },
      'virtualbox',
      'a',
      keys({ ip: '10.0.0.1' }),
    );
    expect(file).toBe('/h/conf/virtualbox.conf');
    const expected = defaultFile('virtualbox').replace('# machines =\n', '# machines =\nmachines = a\n');
    expect(text).toBe(`${expected}\n[a]\nip = 10.0.0.1\n`);
  });

  test('may have its section already', () => {
    const unnamed = KVM.replace('machines = win7 ; the old one', 'machines =');
    expect(addMachine(conf(unnamed), 'kvm', 'win7', keys()).text).toBe(
      KVM.replace('machines = win7 ; the old one', 'machines = win7'),
    );
  });

  test('stands beside equal fake machines, and in place of QEMU’s default guests', () => {
    expect(addMachine(conf(), 'fake', 'office', keys()).text).toContain('\nmachines = 4, office\n');
    const { text } = addMachine(conf(), 'qemu', 'vm1', keys({ ip: '10.0.0.1', image: '/a.qcow2' }));
    expect(text).toContain('\nmachines = vm1\n');
    const other = { confDir: '/h/conf', texts: new Map([['/h/conf/qemu.conf', text]]) };
    expect(removeMachine(other, 'qemu', 'vm1').text).toContain('\nmachines = auto\n');
  });

  test.each([
    ['win7', {}, 'kvm.conf has a machine win7 already'],
    ['kvm', {}, "that section is the machinery's own"],
    ['a]b', {}, '"a]b" is no name for a machine'],
    ['b', { ip: '10.0.0.300' }, '[b] ip = "10.0.0.300": expected an IPv4 address'],
    ['b', { ipp: '10.0.0.3' }, 'a machine of kvm has no key "ipp"; did you mean "ip"?'],
    ['b', { constructor: '1' }, 'a machine of kvm has no key "constructor"'],
    ['b', { label: 'x' }, 'nothing was changed, for then: /h/conf/kvm.conf:11: [b] has no ip'],
    ['b', { ip: '10.0.0.7' }, '[win7] has it too'],
    ['b', { ip: '10.0.0.8', tags: 'service' }, '[b] is left out: its tag service makes it a service machine'],
    ['b', { ip: '10.0.0.8', label: 'x\n[evil]' }, 'a .conf file cannot hold that'],
  ])('%s %j is refused', (name, pairs, message) => {
    expect(() => addMachine(conf(), 'kvm', name, keys(pairs as Record<string, string>))).toThrow(message);
  });

  test('is refused when another layer has the last word', () => {
    const layered = conf(KVM, { '/h/custom/conf/kvm.conf': '[kvm]\nmachines = win7\n' });
    expect(() => addMachine(layered, 'kvm', 'b', keys({ ip: '10.0.0.8' }))).toThrow(
      'another layer than /h/conf/kvm.conf says which machines there are',
    );
  });
});

test('a machine that is removed leaves what was said around it', () => {
  expect(removeMachine(conf(), 'kvm', 'win7').text).toBe(
    '# my lab\n[kvm]\nmachines = ; the old one\ninterface : br0\n\n# Bought in 2014.\n',
  );
  expect(() => removeMachine(conf(), 'kvm', 'win')).toThrow('has no machine "win"; did you mean "win7"?');
  expect(() => removeMachine(conf(), 'kvm', 'kvm')).toThrow('has no machine "kvm"');
  expect(machineryOf(conf(), 'win7')).toEqual(['kvm']);
  expect(machineryOf(conf(), 'kvm')).toEqual([]);
});
