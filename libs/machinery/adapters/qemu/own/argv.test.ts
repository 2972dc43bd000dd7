import { describe, expect, test } from '@jest/globals';
import { ownArgs, ownHardwareArgs, type OwnPurpose } from './argv.js';
import { ARCHITECTURES } from './boards.js';
import { ownMachine, planOf } from './plan.fake.js';
import type { OwnQemuMachine } from './machine.js';

const MAC = '52:54:00:00:00:07';
const SERIAL = ['-chardev', 'socket,id=serial,fd=5', '-serial', 'chardev:serial'];
const KERNEL = ['-kernel', '/proc/self/fd/7'];
const INITRD = ['-initrd', '/proc/self/fd/8'];

const start = (machine: string, memory: string, ...cpu: string[]) => [
  ...['-no-user-config', '-machine', machine, ...cpu, '-m', memory, '-display', 'none', '-monitor', 'none'],
];

/** What each board is started as, in Cuckoo's words where it had some. */
const BOARDS: Readonly<Record<string, readonly string[]>> = {
  x64: [...start('pc,accel=tcg', '1024M'), '-net', `nic,netdev=net,macaddr=${MAC}`, ...SERIAL],
  x86: [...start('pc,accel=tcg', '1024M'), '-net', `nic,netdev=net,macaddr=${MAC}`, ...SERIAL],
  arm: [
    ...[...start('versatilepb,accel=tcg', '256M'), ...KERNEL, ...INITRD, '-append', 'root=/dev/sda1'],
    ...['-net', `nic,netdev=net,macaddr=${MAC}`, ...SERIAL],
  ],
  armwrt: [
    ...[...start('realview-eb-mpcore,accel=tcg', '512M'), ...KERNEL],
    ...['-append', 'console=ttyAMA0 root=/dev/mmcblk0 rootwait'],
    ...['-net', `nic,netdev=net,macaddr=${MAC}`, ...SERIAL],
  ],
  arm64: [
    ...start('virt,accel=tcg', '512M', '-cpu', 'cortex-a57'),
    ...['-device', `virtio-net-pci,netdev=net,romfile=,mac=${MAC}`, '-device', 'virtio-gpu-pci', ...SERIAL],
  ],
  mips: [
    ...[...start('malta,accel=tcg', '512M'), ...KERNEL, '-append', 'root=/dev/sda1 console=tty0'],
    ...['-device', `e1000,netdev=net,mac=${MAC}`, ...SERIAL],
  ],
};

const same: Readonly<Record<string, string>> = { aarch64: 'arm64', mipsel: 'mips' };

test.each(ARCHITECTURES)('%s is the board of old', (arch) => {
  const expected = BOARDS[same[arch] ?? arch];
  expect(ownHardwareArgs(planOf(ownMachine({ arch, mac: MAC })))).toEqual(expected);
});

const purposes: readonly OwnPurpose[] = (['mapped', 'loadvm'] as const).flatMap((form) =>
  (['boot', 'snapshot', 'clone'] as const).map((kind) => ({ form, kind })),
);

function argsOf(purpose: OwnPurpose, changes: Partial<OwnQemuMachine> = {}): readonly string[] {
  const plan = planOf(ownMachine({ snapshot: purpose.kind === 'snapshot' ? 'clean' : null, ...changes }));
  return ownArgs({
    ...{ plan, purpose, netdev: 'socket,id=net,fd=6' },
    graph: {
      chain: plan.image.chain,
      kind: purpose.kind === 'snapshot' ? 'bytes' : 'disk',
      writes: purpose.kind === 'clone' ? 'overlay' : 'template',
    },
    disks: { chain: [12], template: 13, overlay: purpose.kind === 'clone' ? 14 : null },
  });
}

function valueOf(args: readonly string[], option: string, word = ''): string | undefined {
  return args.find((arg, at) => args[at - 1] === option && arg.includes(word));
}

describe.each(purposes)('$kind/$form', (purpose) => {
  const args = argsOf(purpose);

  test('is confined, and names no file of the host', () => {
    expect(valueOf(args, '-sandbox')).toContain('spawn=deny');
    const paths = args.join(' ').match(/(?<=[=" ])\/[^,"\s]*/g) ?? [];
    expect(paths.filter((path) => !/^\/(proc\/self\/fd|dev\/fdset)\/\d+$/.test(path))).toEqual([]);
  });

  test('writes to no image of the operator', () => {
    const nodes = args.flatMap((arg, at) =>
      args[at - 1] === '-blockdev' ? [JSON.parse(arg) as Record<string, unknown>] : [],
    );
    const operators = nodes.filter(({ filename }) => filename === '/dev/fdset/12');
    expect(operators).toHaveLength(1);
    expect(operators[0]).toMatchObject({ 'read-only': true });
    const writable = nodes.filter((node) => node['read-only'] === false).map((node) => node['filename']);
    const layers = purpose.kind === 'snapshot' ? ['/dev/fdset/13', undefined] : ['/dev/fdset/13'];
    expect(writable).toEqual(purpose.kind === 'clone' ? ['/dev/fdset/14'] : layers);
  });

  test('waits unless it boots, and loads what it is for', () => {
    expect(args.includes('-S')).toBe(purpose.kind !== 'boot');
    expect(valueOf(args, '-loadvm')).toBe(purpose.kind === 'snapshot' ? 'clean' : undefined);
    const isIncoming = purpose.kind === 'clone' && purpose.form === 'mapped';
    expect(valueOf(args, '-incoming')).toBe(isIncoming ? 'defer' : undefined);
  });

  test('has RAM by the name that the board gives it', () => {
    const ram = valueOf(args, '-object', 'memory-backend');
    if (purpose.form === 'loadvm') {
      expect(ram).toBeUndefined();
      return;
    }
    const share = purpose.kind === 'clone' ? 'off' : 'on';
    expect(ram).toBe(
      `memory-backend-file,id=pc.ram,size=1024M,mem-path=/proc/self/fd/10,share=${share},x-use-canonical-path-for-ramblock-id=off`,
    );
  });
});

const clone = { kind: 'clone', form: 'mapped' } as const;

test('only behind the user network may QEMU start a program: the way to the result server', () => {
  expect(valueOf(argsOf(clone, { interface: 'user' }), '-sandbox')).not.toContain('spawn=deny');
  expect(valueOf(argsOf(clone, { interface: 'br0' }), '-sandbox')).toContain('spawn=deny');
});

test('virtio is for those who ask for it', () => {
  const args = argsOf(clone, { options: ['virtio'] });
  expect(valueOf(args, '-drive')).toMatch(/^if=virtio,/);
  expect(valueOf(args, '-device')).toMatch(/^virtio-net-pci,netdev=net,mac=/);
  expect(valueOf(argsOf(clone), '-drive')).toMatch(/^index=0,media=disk,/);
});

test.each([
  [{ enableKvm: true }, 'pc,accel=kvm', undefined],
  [{ enableKvm: true, cpu: 'host' }, 'pc,accel=kvm', 'host'],
  [{ enableKvm: true, arch: 'arm64' }, 'virt,accel=kvm', 'host'],
])('%j is %s with the processor %s', (changes, machine, cpu) => {
  const args = argsOf(clone, changes);
  expect(valueOf(args, '-machine')).toBe(machine);
  expect(valueOf(args, '-cpu')).toBe(cpu);
});

test('a machine has always the same address of its own, or the one it is given', () => {
  const macs = ['vm1', 'vm2', 'vm1'].map((name) => planOf(ownMachine({ name })).mac);
  expect(macs[0]).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
  expect(macs[0]).toBe(macs[2]);
  expect(macs[0]).not.toBe(macs[1]);
  expect(planOf(ownMachine({ mac: '52:54:00:AA:BB:CC' })).mac).toBe('52:54:00:aa:bb:cc');
});
