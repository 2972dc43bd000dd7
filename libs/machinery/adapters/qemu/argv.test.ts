import { expect, test } from '@jest/globals';
import { FD, hardwareArgs, qemuArgs, type Purpose } from './argv.js';
import { setprivArgs } from './identity.js';

const hardware = { accelerator: 'tcg', memoryMb: 512, cmdline: 'quiet panic=-1' } as const;
const purposes: readonly Purpose[] = [
  { kind: 'template', form: 'mapped' },
  { kind: 'clone', form: 'mapped' },
  { kind: 'template', form: 'loadvm' },
  { kind: 'clone', form: 'loadvm' },
];

function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((arg, at) => (arg === option ? [args[at + 1] ?? ''] : []));
}

test.each(purposes)('$kind/$form is sandboxed and shows nothing to the host', (purpose) => {
  const args = qemuArgs(hardware, purpose);
  expect(valuesOf(args, '-sandbox')).toEqual([
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
  ]);
  expect(args).toContain('-nodefaults');
  expect(args).toContain('-no-user-config');
  expect(valuesOf(args, '-display')).toEqual(['none']);
});

test.each(purposes)('$kind/$form gives the guest the same devices in the same order', (purpose) => {
  const args = qemuArgs(hardware, purpose);
  expect(args.slice(0, hardwareArgs(hardware).length)).toEqual(hardwareArgs(hardware));
  expect(valuesOf(args, '-device')).toEqual(valuesOf(hardwareArgs(hardware), '-device'));
});

test.each(purposes)('$kind/$form names no file: descriptors are all it has', (purpose) => {
  const paths = qemuArgs(hardware, purpose)
    .flatMap((arg) => arg.match(/(?<==|^)\/[^,]*/g) ?? [])
    .filter((path) => !/^\/(proc\/self\/fd|dev\/fdset)\/\d+$/.test(path));
  expect(paths).toEqual([]);
});

test('only the template shares its RAM with the file', () => {
  const ram = (purpose: Purpose) =>
    valuesOf(qemuArgs(hardware, purpose), '-object').find((arg) => arg.includes('id=ram'));
  expect(ram({ kind: 'template', form: 'mapped' })).toBe(
    `memory-backend-file,id=ram,size=512M,mem-path=/proc/self/fd/${FD.memory},share=on`,
  );
  expect(ram({ kind: 'clone', form: 'mapped' })).toContain('share=off');
  expect(ram({ kind: 'clone', form: 'loadvm' })).toBe('memory-backend-ram,id=ram,size=512M');
});

test('clones wait, templates run', () => {
  for (const purpose of purposes) {
    expect(qemuArgs(hardware, purpose).includes('-S')).toBe(purpose.kind === 'clone');
  }
});

test('the network card leaves no checksum and no segmentation to the host', () => {
  const nic = valuesOf(hardwareArgs(hardware), '-device').find((device) => device.startsWith('virtio-net'));
  for (const offload of ['csum', 'gso', 'guest_csum', 'guest_tso4', 'guest_tso6', 'host_tso4', 'host_tso6']) {
    expect(nic).toContain(`,${offload}=off`);
  }
});

test('a kernel command line is one argument whatever is in it', () => {
  const cmdline = 'a,b -object c "d"';
  expect(valuesOf(hardwareArgs({ ...hardware, cmdline }), '-append')).toEqual([cmdline]);
});

test('setpriv gives up everything, and asks for the death signal after the change of user', () => {
  const args = setprivArgs({ uid: 65534, gid: 65534, groups: [] });
  expect(args).toEqual([
    ...['--reuid', '65534', '--regid', '65534', '--clear-groups'],
    ...['--no-new-privs', '--pdeathsig', 'KILL', '--'],
  ]);
  expect(setprivArgs({ uid: 1, gid: 1, groups: [36] })).toContain('--groups');
  expect(setprivArgs(null)).toEqual(['--no-new-privs', '--pdeathsig', 'KILL', '--']);
});
