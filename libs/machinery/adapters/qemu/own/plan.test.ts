import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SandboxError } from '#domain/errors.js';
import type { OwnQemuMachine } from './machine.js';
import { planMachines } from './plan.js';
import { ownMachine } from './plan.fake.js';

const signal = AbortSignal.timeout(60_000);
let folder: string;
let image: string;

async function img(...args: readonly string[]): Promise<void> {
  await promisify(execFile)('qemu-img', args);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plan-test-'));
  image = join(folder, 'disk.qcow2');
  await img('create', '-q', '-f', 'qcow2', image, '1M');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const plan = (...machines: readonly Partial<OwnQemuMachine>[]) =>
  planMachines(
    machines.map((changes) => ownMachine({ image, ...changes })),
    '',
    signal,
  );

async function refusal(...machines: readonly Partial<OwnQemuMachine>[]): Promise<string> {
  return await plan(...machines).then(
    () => 'accepted',
    (error: unknown) => (error instanceof SandboxError ? `${error.code}: ${error.message}` : String(error)),
  );
}

test('what the section leaves out is the board’s; placeholders are filled in', async () => {
  for (const name of ['vmlinuz-3.2.0-4-versatile-arm', 'initrd-mine', 'initrd-3.2.0-4-versatile-arm']) {
    await writeFile(join(folder, name), '');
  }
  const [usual, own] = await plan(
    { arch: 'arm' },
    { name: 'vm2', arch: 'arm', initrd: '{imagepath}/initrd-mine', memory: 128, append: 'root=/dev/sda2' },
  );
  expect(usual).toMatchObject({
    ...{ kernel: join(folder, 'vmlinuz-3.2.0-4-versatile-arm'), memory: 256, append: 'root=/dev/sda1' },
    ...{
      initrd: join(folder, 'initrd-3.2.0-4-versatile-arm'),
      program: { path: '/usr/bin/qemu-system-arm' },
    },
  });
  expect(own).toMatchObject({ initrd: join(folder, 'initrd-mine'), memory: 128, append: 'root=/dev/sda2' });
});

test('an image based on another is both files, from top to bottom', async () => {
  const raw = join(folder, 'base.raw');
  await writeFile(raw, Buffer.alloc(1 << 20));
  const top = join(folder, 'top.qcow2');
  await img('create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', top);
  const [found] = await plan({ image: top });
  expect(found?.image).toMatchObject({
    chain: [
      { path: top, format: 'qcow2' },
      { path: raw, format: 'raw' },
    ],
    size: 1 << 20,
  });
});

test.each<[Partial<OwnQemuMachine>, RegExp]>([
  [{ arch: 'vax' }, /^CONFIG_INVALID: \[vm1\] arch = "vax": x64, x86, arm, .* are accepted$/],
  [{ arch: 'arm' }, /kernel \/.*vmlinuz-3.2.0-4-versatile-arm cannot be read: write its path as kernel = …/],
  [{ image: '/nowhere/disk.qcow2' }, /image \/nowhere\/disk.qcow2 cannot be used: .*ENOENT/],
  [{ image: '/dev/null' }, /image \/dev\/null cannot be used: it is no regular file/],
  [{ kernel: '{imgpath}/vmlinuz' }, /\{imgpath\} is no placeholder; there are \{imagepath\}/],
  [{ snapshot: 'clean' }, /snapshot = clean: .* has none of that name; it has none of a running machine/],
  [{ interface: 'nobr0' }, /^SETUP_MISSING: \[vm1\] interface = nobr0: .* ip link add nobr0 type bridge/],
  [{ interface: 'nobr0', name: 'a-name-too-long' }, /^CONFIG_INVALID: .* a name of at most 11/],
  [{ interface: 'user', ip: '10.0.2.15' }, /ip = 10.0.2.15, resultserver_ip = 192.168.55.1: .* one \/24/],
  [{ arch: 'mips', options: ['virtio'] }, /options = virtio: malta has no virtio/],
  [{ name: '../up' }, /its name: use letters, digits/],
])('%j is refused', async (changes, message) => {
  expect(await refusal(changes)).toMatch(message);
});

test('a snapshot without memory is refused, and those with memory are named', async () => {
  await img('snapshot', '-c', 'off', image);
  expect(await refusal({ snapshot: 'off' })).toMatch(/it was taken of a machine that was off/);
});

test('two machines with one address or one name are refused', async () => {
  const mac = '52:54:00:11:22:33';
  expect(await refusal({ mac }, { name: 'vm2', mac })).toMatch(
    /\[vm2\] mac = 52:54:00:11:22:33: \[vm1\] has it too/,
  );
  expect(await refusal({}, {})).toMatch(/\[vm1\] name = vm1: \[vm1\] has it too/);
});

test('all that is wrong is said at once', async () => {
  expect(await refusal({ arch: 'vax' }, { name: 'vm2', snapshot: 'x' })).toMatch(/\[vm1\].*; \[vm2\]/);
});

test('programs beside `path` come first; a missing one is named with its package', async () => {
  const beside = join(folder, 'bin');
  await mkdir(beside);
  const fake = join(beside, 'qemu-system-x86_64');
  await writeFile(fake, '#!/bin/sh\necho QEMU emulator version 99\n');
  await chmod(fake, 0o755);
  const [found] = await planMachines([ownMachine({ image })], fake, signal);
  expect(found?.program).toMatchObject({ path: fake, version: 'QEMU emulator version 99' });
});
