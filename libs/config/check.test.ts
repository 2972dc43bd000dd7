import { expect, test } from '@jest/globals';
import { checkConf } from './check.js';
import { Findings, told } from './findings.js';

function check(files: Readonly<Record<string, string>>) {
  const findings = new Findings();
  checkConf(
    '/c/conf',
    new Map(Object.entries(files).map(([name, text]) => [`/c/conf/${name}`, text])),
    findings,
  );
  return { problems: findings.problems.map(told), notes: findings.notes.map(told) };
}

test('an empty home is in order', () => {
  expect(check({})).toEqual({ problems: [], notes: [] });
});

test('machinery must be there, and have machines', () => {
  expect(check({ 'cuckoo.conf': '[cuckoo]\n\nmachinery = vmware' }).problems).toEqual([
    '/c/conf/cuckoo.conf:3: [cuckoo] machinery = vmware: "vmware" is not one of qemu, kvm, virtualbox, fake',
  ]);
  const named = { 'cuckoo.conf': '[cuckoo]\nmachinery = libvirt' };
  expect(check(named).problems).toEqual([
    '/c/conf/kvm.conf: [kvm] machines names none, but [cuckoo] machinery = libvirt: `malkoha machine add NAME --machinery kvm ip=…` adds one',
  ]);
});

test('a result server that no guest reaches is told, where the machine is', () => {
  const kvm = '[kvm]\nmachines = a,b\n[a]\nip = 10.0.0.2\n[b]\nip = 10.0.0.3\nresultserver_ip = 10.0.0.1\n';
  expect(check({ 'cuckoo.conf': '[cuckoo]\nmachinery = kvm', 'kvm.conf': kvm }).notes).toEqual([
    expect.stringMatching(/^\/c\/conf\/kvm\.conf:3: \[a\] finds no result server at 127\.0\.0\.1: /),
  ]);
  const own = '[qemu]\nmachines = a\n[a]\nip = 10.0.2.15\nimage = /a\n';
  expect(check({ 'qemu.conf': own }).notes).toEqual([]);
  expect(check({ 'qemu.conf': `${own}interface = br0\n` }).notes).toHaveLength(1);
});

test('all problems of all files are told at once, and files nobody reads', () => {
  const { problems, notes } = check({
    'cuckoo.conf': '[cuckoo]\nfreespace = lots\nmemory_dump = perhaps\n',
    'kvm.conf': '[kvm\nmachines = a\n',
    'avd.conf': '',
    'rooting.conf': '',
  });
  expect(problems).toEqual([
    '/c/conf/cuckoo.conf:2: [cuckoo] freespace = "lots": expected a whole number, 0 or more',
    '/c/conf/cuckoo.conf:3: [cuckoo] memory_dump = "perhaps": expected yes or no',
    '/c/conf/kvm.conf:1: a section is written [name]',
    '/c/conf/kvm.conf:2: a [section] line must come first',
  ]);
  expect(notes).toEqual([
    expect.stringContaining('/c/conf/avd.conf: is not read; the files are cuckoo.conf, qemu.conf, kvm.conf'),
    expect.stringContaining('/c/conf/rooting.conf: is not read'),
  ]);
});

test('distributed.conf is read too, though only the process that needs it stops for it', () => {
  expect(check({ 'distributed.conf': '[distributed]\nport = x' }).problems).toEqual([
    '/c/conf/distributed.conf:2: [distributed] port = "x": expected a whole number from 0 to 65535',
  ]);
});

test('samples and reports need a folder each, however it is written, and a key that is nearly one is told', () => {
  const lines = (reports: string) =>
    `[distributed]\nsamples_directory = /s/x\nreports_directory = ${reports}\nreport_format = json\n`;
  expect(check({ 'distributed.conf': lines('/s/./x/') })).toEqual({
    problems: [
      '/c/conf/distributed.conf:3: [distributed] reports_directory is samples_directory, too: each needs a folder of its own',
    ],
    notes: [
      '/c/conf/distributed.conf:4: [distributed] report_format is not a known key; did you mean "report_formats"?',
    ],
  });
  expect(check({ 'distributed.conf': lines('/s/y') }).problems).toEqual([]);
});
