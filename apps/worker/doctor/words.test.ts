import { expect, test } from '@jest/globals';
import { judge } from './kvm.js';
import { isLocal } from './libvirt.js';
import { clocks } from './services.js';
import { isOlder } from './tools.js';

test.each([
  ['6.9', '6.10', true],
  ['7.2', '7.2', false],
  ['8.0', '7.2', false],
  ['10.0', '9.1', false],
])('version %s is older than %s: %s', (version, than, expected) => {
  expect(isOlder(version, than)).toBe(expected);
});

test.each([
  ['qemu:///system', true],
  ['qemu+unix:///system?socket=/srv/sock', true],
  ['qemu+ssh://root@lab/system', false],
  ['nonsense', false],
])('%s is of this host: %s', (dsn, expected) => {
  expect(isLocal(dsn)).toBe(expected);
});

const HANGS = {
  accelerator: 'tcg',
  reason:
    'using TCG, emulation, as KVM does not work here: the guest kernel did not reach user mode under KVM within 8 s',
} as const;

test('a KVM that opens and hangs: TCG is used, which is said', () => {
  expect(judge(HANGS, 'auto')).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('did not reach user mode under KVM'),
    fix: expect.stringContaining('nested virtualization is broken'),
  });
});

test('a KVM that is asked for and hangs is a failure', () => {
  expect(judge(HANGS, 'kvm')).toMatchObject({ status: 'fail', fix: expect.stringContaining('accel = auto') });
});

test.each([
  ['/dev/kvm does not open: EACCES: permission denied', 'usermod -aG kvm'],
  ['this host has no KVM: ENOENT', 'modprobe kvm_intel'],
])('%s: %s', (reason, fix) => {
  expect(judge({ accelerator: 'tcg', reason }, 'auto').fix).toContain(fix);
});

test('clocks that agree, and that do not', () => {
  expect(clocks(10_000, new Date(12_000), 'Redis')).toBeNull();
  expect(clocks(10_000, new Date(70_000), 'Redis')?.found).toContain('60 s ahead of ours');
  expect(clocks(70_000, new Date(10_000), 'Redis')?.found).toContain('60 s behind ours');
});
