import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { localHost } from '#machinery/adapters/virtualbox/local-host.js';
import { fakeHost, openOn, ownMachine, type LabGiven } from '../support/vboxmanage/lab.js';
import type { FakeVirtualBox } from '../support/vboxmanage/install.js';
import { aVm } from '../support/vboxmanage/model.js';

const UUID = '9883f6c3-b17d-4077-aa52-d9c49a6912a5';

describe('VirtualBox machines are checked before they are used', () => {
  let fake: FakeVirtualBox;

  afterEach(async () => {
    await fake[Symbol.asyncDispose]();
  });

  const opened = async (given: LabGiven) => {
    fake = await fakeHost(given);
    const machinery = await openOn(fake, given);
    await machinery[Symbol.asyncDispose]();
  };

  test.each<readonly [what: string, given: LabGiven, code: string, message: RegExp]>([
    [
      'a machine that is not there',
      { machine: { label: 'cuckoo9' }, host: { machines: [aVm({ name: 'other' })] } },
      'CONFIG_INVALID',
      /^virtualbox\.conf: \[win10\] VirtualBox has no machine "cuckoo9"; there is "cuckoo1", "other" for .*VBoxManage: VirtualBox shows each user only their own$/,
    ],
    [
      'a machine that may be the unreadable one',
      { vm: { accessible: false } },
      'CONFIG_INVALID',
      /has no machine "cuckoo1"; there is none \(and 1 whose settings VirtualBox cannot read\)/,
    ],
    [
      'an unreadable machine, by its UUID',
      { vm: { accessible: false, uuid: UUID }, machine: { label: UUID } },
      'CONFIG_INVALID',
      /cannot read the settings of "9883f6c3-/,
    ],
    [
      'a snapshot that is not there',
      { machine: { snapshot: 'cleen' }, vm: { snapshots: [{ name: 'clean' }, { name: 'later' }] } },
      'CONFIG_INVALID',
      /"cuckoo1" has no snapshot "cleen"; there is "clean", "later"; to make one, .*VBoxManage snapshot "cuckoo1" take clean --pause$/,
    ],
    [
      'no snapshot at all',
      { machine: { snapshot: null }, vm: { snapshots: [] } },
      'CONFIG_INVALID',
      /"cuckoo1" has no snapshot: make one, with the guest running/,
    ],
    [
      'snapshots of one name',
      {
        vm: {
          snapshots: [
            { name: 'clean', uuid: 'aaa' },
            { name: 'clean', uuid: 'bbb' },
          ],
        },
      },
      'CONFIG_INVALID',
      /"cuckoo1" has 2 snapshots named "clean": write the UUID of the right one, "aaa", "bbb"$/,
    ],
    [
      'an interface that is not there',
      { machine: { interface: 'vboxnet9' } },
      'CONFIG_INVALID',
      /interface "vboxnet9" is not there; there is .*"lo".*VBoxManage hostonlyif create$/,
    ],
    [
      'one machine for two',
      { setup: { machines: [ownMachine(), ownMachine({ name: 'win7', label: 'cuckoo1' })] } },
      'CONFIG_INVALID',
      /\[win7\] label "cuckoo1" is the machine of \[win10\] too/,
    ],
    [
      'a host without the kernel module',
      { host: { version: 'WARNING: The vboxdrv kernel module is not loaded.\n7.2.20r1' } },
      'SETUP_MISSING',
      /vboxdrv kernel module is not loaded.*run \/sbin\/vboxconfig as root there$/,
    ],
    [
      'another program',
      { host: { version: 'hello' } },
      'SETUP_MISSING',
      /is no VBoxManage: its version is "hello"/,
    ],
  ])('%s', async (_what, given, code, message) => {
    await expect(opened(given)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as unknown,
    });
  });

  test('a VBoxManage that is not there, or may not be started', async () => {
    fake = await fakeHost();
    const folder = await mkdtemp(join(tmpdir(), 'no-vbox-'));
    const program = join(folder, 'VBoxManage');
    const open = () => openOn(fake, { setup: { host: localHost({ program }) } });
    await expect(open()).rejects.toMatchObject({
      code: 'SETUP_MISSING',
      message: `${program} does not work: ${program} is not there: install VirtualBox there, or set [virtualbox] path in virtualbox.conf`,
    });
    await writeFile(program, '');
    await chmod(program, 0o644);
    await expect(open()).rejects.toMatchObject({
      code: 'SETUP_MISSING',
      message: expect.stringContaining('cannot be started (EACCES)') as unknown,
    });
    await rm(folder, { recursive: true });
  });

  test.each<readonly [what: string, given: LabGiven]>([
    ['a UUID for a label', { vm: { uuid: UUID }, machine: { label: `{${UUID.toUpperCase()}}` } }],
    [
      'a UUID for a snapshot',
      { vm: { snapshots: [{ name: 'x', uuid: UUID }] }, machine: { snapshot: UUID } },
    ],
    ['the current snapshot', { machine: { snapshot: null } }],
    ['an interface of the host', { machine: { interface: 'lo' }, vm: { adapter: 'lo' } }],
  ])('%s is fine', async (_what, given) => {
    await opened(given);
    expect((await fake.vm('cuckoo1')).state).toBe('poweroff');
  });

  test.each<readonly [what: string, given: LabGiven, message: RegExp]>([
    [
      'on another interface',
      { machine: { interface: 'lo' } },
      /^virtualbox\.conf: \[win10\] nic1 is hostonly on "vboxnet0", and interface = lo: run VBoxManage modifyvm "cuckoo1" --nic1 hostonly --hostonlyadapter1 lo, and take the snapshot again/,
    ],
    ['of another kind', { machine: { interface: 'lo' }, vm: { nics: ['nat'] } }, /nic1 is nat, and/],
    [
      'beside another',
      { vm: { nics: ['hostonly', 'nat'] } },
      /must have one network card, nic1, and has nic1 hostonly, nic2 nat: run VBoxManage modifyvm "cuckoo1" --nic2 none,/,
    ],
    ['that is not the first', { vm: { nics: ['none', 'nat'] } }, /and has nic2 nat: .* --nic2 none,/],
    ['that is none', { vm: { nics: ['none'] } }, /and has none: .* --nic1 hostonly/],
  ])('a network card %s', async (_what, given, message) => {
    const matching = { code: 'CONFIG_INVALID', message: expect.stringMatching(message) as unknown };
    await expect(opened(given)).rejects.toMatchObject(matching);
  });

  test('machines that run are left alone, and powered off when they are first made ready', async () => {
    const given: LabGiven = { vm: { state: 'running', session: 'Locked', frontend: 'GUI/Qt' } };
    await opened(given);
    expect(await fake.vm('cuckoo1')).toMatchObject({ state: 'running', session: 'Locked' });
    await using machinery = await openOn(fake, given);
    await machinery.prepare(ownMachine(), AbortSignal.timeout(30_000));
    expect(await fake.vm('cuckoo1')).toMatchObject({ state: 'saved', session: 'Unlocked' });
  });

  test('a card that the snapshot brings back is seen when it is restored', async () => {
    const machine = { interface: 'lo' };
    fake = await fakeHost({ vm: { adapter: 'lo' } });
    await using machinery = await openOn(fake, { machine });
    await fake.changeVm('cuckoo1', { nics: ['hostonly', 'nat'] });
    const prepared = machinery.prepare(ownMachine(machine), AbortSignal.timeout(30_000));
    await expect(prepared).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
