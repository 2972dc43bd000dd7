import { expect, test } from '@jest/globals';
import { readText } from '../../test/support/conf.js';
import { kvmSettings } from './kvm-conf.js';
import { virtualboxSettings } from './virtualbox-conf.js';

const SERVER = { ip: '10.0.0.1', port: 2042 };
const kvm = (text: string) => readText((source, findings) => kvmSettings(source, SERVER, findings), text);
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
options = nictrace noagent
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
      ...{ interface: 'br8', options: ['nictrace', 'noagent'], agentPort: 9000 },
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
    'x.conf:2: [kvm] machines = "a b": expected names of sections separated by commas',
  ],
  ['[kvm]\ninterface = br 0', 'x.conf:2: [kvm] interface = "br 0": expected the name of an interface'],
])('%j is refused', (text, message) => {
  expect(() => kvm(text)).toThrow(message);
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

test.each(['user@host', 'http://host', 'ssh://', 'ssh://a@b@c', 'ssh://-oProxyCommand=x y'])(
  'VirtualBox cannot be on %j',
  (host) => {
    expect(() => virtualbox(`[virtualbox]\nhost = ${host}`)).toThrow('expected empty or ssh://<user>@<host>');
  },
);
