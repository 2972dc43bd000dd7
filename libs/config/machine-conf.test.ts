import { expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { kvmSettings } from './kvm-conf.js';
import { qemuSettings } from './qemu-conf.js';
import { virtualboxSettings } from './virtualbox-conf.js';

const SERVER = { ip: '10.0.0.1', port: 2042 };
const kvm = (text: string) => readText((source, findings) => kvmSettings(source, SERVER, findings), text);
const qemu = (text: string) => readText((source, findings) => qemuSettings(source, SERVER, findings), text);
const virtualbox = (text: string) =>
  readText((source, findings) => virtualboxSettings(source, SERVER, findings), text);

test('without a file there are no machines', () => {
  expect(kvm('').settings.machines).toEqual([]);
  expect(virtualbox('').settings.machines).toEqual([]);
});

test('what a machine’s section says wins over what its file and cuckoo.conf say', () => {
  const { settings, warnings } = kvm(`[kvm]
machines = a, b
interface = br7
[a]
label = win 10
ip = 10.0.0.2
[b]
platform = linux
arch = amd64
ip = 10.0.0.3
snapshot = clean
interface = br8
resultserver_ip = 10.0.0.9
resultserver_port = 2043
tags = x, y
options = nictrace x
reserved = yes
agent_port = 9000
osprofile = Win7SP1x64
`);
  expect(settings.machines).toEqual([
    {
      ...{ name: 'a', label: 'win 10', platform: 'windows', arch: 'x64', tags: [], reserved: false },
      ...{ ip: '10.0.0.2', resultServer: SERVER, snapshot: null, interface: 'br7', options: [] },
      agentPort: 8000,
    },
    {
      ...{ name: 'b', label: 'b', platform: 'linux', arch: 'x64', tags: ['x', 'y'], reserved: true },
      ...{ ip: '10.0.0.3', resultServer: { ip: '10.0.0.9', port: 2043 }, snapshot: 'clean' },
      ...{ interface: 'br8', options: ['nictrace', 'x'], agentPort: 9000 },
    },
  ]);
  expect(warnings).toEqual([
    'x.conf:19: [b] osprofile: No effect: memory is kept, not examined with Volatility.',
    'x.conf:9: [b] arch = amd64 is taken as x64',
  ]);
});

test.each([
  [
    '[kvm]\nmachines = a,c\n[a]\nip=1.1.1.1\n[cc]',
    'x.conf:2: [kvm] machines names "c", but there is no section [c]; did you mean "a"?',
  ],
  ['[kvm]\nmachines = a\n[a]\nlabel = x', "x.conf:3: [a] has no ip: the guest's IPv4 address must be known"],
  ['[kvm]\nmachines = a\n[a]\nip = 1.2.3', 'x.conf:4: [a] ip = "1.2.3": expected an IPv4 address'],
  [
    '[kvm]\nmachines = a,b\n[a]\nip = 1.1.1.1\n[b]\nip = 1.1.1.1',
    'x.conf:6: [b] ip = "1.1.1.1": [a] has it too; each machine needs its own',
  ],
  [
    '[kvm]\nmachines = a,b\n[a]\nip = 1.1.1.1\n[b]\nip = 1.1.1.2\nlabel = a',
    'x.conf:7: [b] label = "a": [a] has it too; each machine needs its own',
  ],
  [
    '[kvm]\nmachines = a b',
    'x.conf:2: [kvm] machines = "a b": expected names of sections separated by commas; "a b" cannot be one: letters, digits,',
  ],
  ['[kvm]\ninterface = br 0', 'x.conf:2: [kvm] interface = "br 0": expected the name of an interface'],
])('%j is refused', (text, message) => {
  expect(() => kvm(text)).toThrow(message);
});

test.each([
  ['tags = x, service', 'its tag service makes it a service machine, and nothing here runs those'],
  ['options = nictrace noagent', 'it has the option noagent, and without an agent no task can run there'],
])('a machine with %s is left out, and said to be', (key, why) => {
  const { settings, warnings } = virtualbox(
    `[virtualbox]\nmachines = a, honeyd\n[a]\nip = 1.1.1.1\n[honeyd]\nip = 1.1.1.1\n${key}`,
  );
  expect(settings.machines.map(({ name }) => name)).toEqual(['a']);
  expect(warnings).toEqual([`x.conf:7: [honeyd] is left out: ${why}`]);
});

test.each(['', 'malkoha', 'user'])(
  'machines of qemu.conf with a network of their own (%j) may have one address',
  (at) => {
    const text = (other: string) =>
      `[qemu]\nmachines = a, b, c\n[a]\nip = 1.1.1.1\nimage = /a\ninterface = ${at}\n` +
      `[b]\nip = 1.1.1.1\nimage = /b\ninterface = ${at}\n[c]\nip = 1.1.1.1\nimage = /c\ninterface = br0\n${other}`;
    expect(qemu(text('')).settings.machines.map(({ ip }) => ip)).toEqual(['1.1.1.1', '1.1.1.1', '1.1.1.1']);
    const fourth = '[d]\nip = 1.1.1.1\nimage = /d\ninterface = br1\n';
    expect(() => qemu(text(fourth).replace('b, c', 'b, c, d'))).toThrow('[d] ip = "1.1.1.1": [c] has it too');
  },
);

test.each(['auto', '0', '12', 'a', 'a, b-2,'])('[qemu] machines may be %j', (value) => {
  const sections = '\n[a]\nip = 1.1.1.1\nimage = /a\n[b-2]\nip = 1.1.1.2\nimage = /b';
  expect(() => qemu(`[qemu]\nmachines = ${value}${sections}`)).not.toThrow();
});

test.each([
  ['a, Windows 7', '"Windows 7" cannot be one: letters, digits, ".", "_" and "-", a letter first'],
  ['7a', '"7a" cannot be one'],
  ['100', '"100" cannot be one'],
])('[qemu] machines cannot be %j', (value, why) => {
  expect(() => qemu(`[qemu]\nmachines = ${value}`)).toThrow(why);
});

test('a section that is not named is a note', () => {
  expect(virtualbox('[virtualbox]\nmachines =\n\n[honeyd]\nip = none yet').warnings).toEqual([
    'x.conf:4: [honeyd] is not named in [virtualbox] machines and has no effect',
  ]);
});

test.each(['ssh://user@host', 'ssh://host:2222', 'ssh://u@[::1]:22', ''])(
  'VirtualBox may be on %j',
  (host) => {
    expect(virtualbox(`[virtualbox]\nhost = ${host}`).settings.host).toBe(host);
  },
);

test.each([
  ...['user@host', 'http://host', 'ssh://', 'ssh://a@b@c', 'ssh://-oProxyCommand=x y'],
  ...['ssh://a@b:0', 'ssh://a@b:65536', 'ssh://a@b:99999', 'ssh://a@[x]'],
])('VirtualBox cannot be on %j', (host) => {
  expect(() => virtualbox(`[virtualbox]\nhost = ${host}`)).toThrow('expected empty or ssh://<user>@<host>');
});
