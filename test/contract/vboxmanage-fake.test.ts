import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { until } from '../support/until.js';
import { installVBoxManage, type FakeVirtualBox } from '../support/vboxmanage/install.js';
import { aVm, type FakeHost, type VmGiven } from '../support/vboxmanage/model.js';

/**
 * The fake is held to what is known of VBoxManage: outputs recorded from 7.2.20 (Subject-Void-LLC/the-pleiades,
 * pkg/vboxmanage/testdata), and its source (VirtualBox/virtualbox, VBoxManage*.cpp, MachineImpl.cpp, ConsoleImpl.cpp).
 */
describe('the fake VBoxManage', () => {
  let fake: FakeVirtualBox;

  afterEach(async () => {
    await fake[Symbol.asyncDispose]();
  });

  const install = async (vm: Partial<VmGiven>, host: Partial<FakeHost> = {}) => {
    fake = await installVBoxManage({ ...host, machines: [aVm({ name: 'win "10"', uuid: UUID, ...vm })] });
  };

  const ask = (...args: readonly string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(fake.path, args, { env: { LC_ALL: 'C' } }, (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
    });

  const UUID = '9883f6c3-b17d-4077-aa52-d9c49a6912a5';
  const LIVE = { name: 'clean', uuid: '5732a952-0b85-4e3a-820a-1a568f31166b', description: 'fixture' };

  test('lists machines, and those that run; an unreadable one has no name', async () => {
    await install({});
    expect(await ask('list', 'vms')).toMatchObject({ code: 0, stdout: `"win "10"" {${UUID}}\n`, stderr: '' });
    expect((await ask('list', 'runningvms')).stdout).toBe('');
    await ask('startvm', UUID, '--type', 'headless');
    expect((await ask('list', 'runningvms')).stdout).toBe(`"win "10"" {${UUID}}\n`);
    await fake.changeVm(UUID, { accessible: false });
    expect((await ask('list', 'vms')).stdout).toBe(`"<inaccessible>" {${UUID}}\n`);
    expect((await ask('list', 'hostinfo')).stdout).toContain('Memory size: 8192 MByte\n');
    expect((await ask('-v')).stdout).toMatch(/^\d+\.\d+\.\d+r\d+\n$/);
  });

  test('describes a machine as 7.2 does, odd lines and all', async () => {
    await install({ snapshots: [LIVE, { name: 'later', uuid: 'child' }], current: LIVE.uuid });
    const off = (await ask('showvminfo', UUID, '--machinereadable')).stdout;
    expect(off).toContain('name="win \\"10\\""\n');
    expect(off).toContain('memory=64\n');
    expect(off).toContain('VMState="poweroff"\n');
    expect(off).toMatch(/^VMStateChangeTime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}"$/m);
    expect(off).toContain(' rec_screen0\n');
    expect(off).not.toContain('SessionName');
    const snapshots = [
      ...['SnapshotName="clean"', `SnapshotUUID="${LIVE.uuid}"`, 'SnapshotDescription="fixture"'],
      ...['SnapshotName-1="later"', 'SnapshotUUID-1="child"', 'CurrentSnapshotName="clean"'],
      ...[`CurrentSnapshotUUID="${LIVE.uuid}"`, 'CurrentSnapshotNode="SnapshotName"', ''],
    ].join('\n');
    expect(off).toContain(snapshots);
    expect((await ask('snapshot', UUID, 'list', '--machinereadable')).stdout).toBe(snapshots);
    await ask('startvm', UUID, '--type', 'headless');
    const on = (await ask('showvminfo', UUID, '--machinereadable')).stdout;
    for (const line of [
      ...['VMState="running"', 'SessionName="headless"', 'VRDEClients==0'],
      'VideoMode="720,400,0"@0,0 1',
    ])
      expect(on).toContain(`${line}\n`);
  });

  test('names what it does not find, in three lines', async () => {
    await install({});
    expect(await ask('showvminfo', 'no-such-vm', '--machinereadable')).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        "VBoxManage: error: Could not find a registered machine named 'no-such-vm'\n" +
        'VBoxManage: error: Details: code VBOX_E_OBJECT_NOT_FOUND (0x80bb0001), component VirtualBoxWrap, interface IVirtualBox, callee nsISupports\n' +
        'VBoxManage: error: Context: "FindMachine(Bstr(VMNameOrUuid).raw(), machine.asOutParam())" at line 3249 of file VBoxManageInfo.cpp\n',
    });
    const none = { code: 1, stdout: 'This machine does not have any snapshots\n', stderr: '' };
    expect(await ask('snapshot', UUID, 'list', '--machinereadable')).toEqual(none);
    expect(await ask('snapshot', UUID, 'restorecurrent')).toEqual(none);
    expect((await ask('snapshot', UUID, 'restore', 'x')).stderr).toMatch(
      /Could not find a snapshot named 'x'\n.*VBOX_E_OBJECT_NOT_FOUND \(0x80bb0001\)/,
    );
  });

  test.each([
    [true, 'saved'],
    [false, 'poweroff'],
  ])(
    'restoring a snapshot (live: %s) leaves the machine %s, and shows progress on stderr',
    async (live, state) => {
      await install({ snapshots: [{ ...LIVE, live }], state: 'aborted' });
      expect(await ask('snapshot', UUID, 'restore', 'clean')).toEqual({
        code: 0,
        stdout: `Restoring snapshot 'clean' (${LIVE.uuid})\n`,
        stderr: '0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n',
      });
      expect((await fake.vm(UUID)).state).toBe(state);
    },
  );

  test('snapshots may have equal names, and are refused while the machine runs', async () => {
    await install({ snapshots: [LIVE] });
    expect((await ask('snapshot', UUID, 'take', 'clean', '--pause')).stdout).toMatch(
      /^Snapshot taken\. UUID: [0-9a-f-]{36}\n$/,
    );
    const listed = (await ask('snapshot', UUID, 'list', '--machinereadable')).stdout;
    expect(listed.match(/^SnapshotName.*="clean"$/gm)).toHaveLength(2);
    await ask('startvm', UUID, '--type', 'gui');
    expect(await ask('snapshot', UUID, 'restorecurrent')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /Cannot delete the current state of the running machine \(machine state: Running\)\n.*VBOX_E_INVALID_VM_STATE \(0x80bb0002\), component SessionMachine/,
      ) as unknown,
    });
  });

  test('a machine is started once', async () => {
    await install({ name: 'win10' });
    expect(await ask('startvm', 'win10', '--type', 'headless')).toEqual({
      code: 0,
      stdout: 'Waiting for VM "win10" to power on...\nVM "win10" has been successfully started.\n',
      stderr: '',
    });
    expect(await ask('startvm', 'win10', '--type', 'headless')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /The machine 'win10' is already locked by a session \(or being locked or unlocked\)\n.*VBOX_E_INVALID_OBJECT_STATE \(0x80bb0007\), component MachineWrap, interface IMachine.*\n.*LaunchVMProcess/,
      ) as unknown,
    });
    expect((await ask('unregistervm', 'win10')).stderr).toContain(
      "Cannot unregister the machine 'win10' while it is locked",
    );
  });

  test('what is off is not powered off', async () => {
    await install({ name: 'win10' });
    expect(await ask('controlvm', 'win10', 'poweroff')).toEqual({
      code: 1,
      stdout: '',
      stderr: "VBoxManage: error: Machine 'win10' is not currently running.\n",
    });
    await fake.changeVm('win10', { state: 'saved' });
    expect((await ask('controlvm', 'win10', 'poweroff')).stderr).toMatch(
      /Cannot power down a saved virtual machine\n.*0x80bb0002/,
    );
    expect((await ask('startvm', 'win10', '--type', 'emergencystop')).stderr).toContain(
      "The machine 'win10' is not locked by a session",
    );
  });

  test('its lock is held for some time after its state says poweroff', async () => {
    await install({ name: 'win10', snapshots: [LIVE] }, { unlockingMs: 60_000 });
    await ask('startvm', 'win10', '--type', 'headless');
    expect(await ask('controlvm', 'win10', 'poweroff')).toMatchObject({ code: 0 });
    expect((await ask('showvminfo', 'win10', '--machinereadable')).stdout).toContain('VMState="poweroff"');
    const text = /The machine 'win10' is already locked for a session \(or being unlocked\)\n.*0x80bb0007/;
    expect((await ask('snapshot', 'win10', 'restorecurrent')).stderr).toMatch(text);
    const modified = (await ask('modifyvm', 'win10', '--vrde', 'on')).stderr;
    expect(modified).toMatch(text);
    expect(modified).toContain('Context: "LockMachine(a->session, LockType_Write)"');
    expect((await ask('startvm', 'win10', '--type', 'headless')).stderr).toContain(
      'already locked by a session',
    );
    await fake.changeVm('win10', { pending: [{ at: 0, session: 'Unlocked' }] });
    expect(await ask('modifyvm', 'win10', '--vrde', 'on')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('transient states can be seen, and are not to be disturbed', async () => {
    await install({ name: 'win10' }, { transientMs: 60_000, deniedInTransit: true, earlyStart: true });
    const starting = ask('startvm', 'win10', '--type', 'headless');
    await until(async () => (await fake.vm('win10')).state === 'starting');
    expect(await ask('showvminfo', 'win10', '--machinereadable')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/The object is not ready\n.*E_ACCESSDENIED \(0x80070005\)/) as unknown,
    });
    await fake.changeVm('win10', { session: 'Locked' });
    expect((await ask('controlvm', 'win10', 'poweroff')).stderr).toContain(
      'Invalid machine state: Starting (must be Running, Paused or Stuck)',
    );
    await fake.changeVm('win10', { state: 'stopping' });
    expect((await ask('controlvm', 'win10', 'poweroff')).stderr).toContain(
      'The virtual machine is being powered down',
    );
    await ask('startvm', 'win10', '--type', 'emergencystop');
    expect((await fake.vm('win10')).state).toBe('aborted');
    await starting;
  });

  test('RAM is dumped to a new file, while the machine runs', async () => {
    await install({ name: 'win10', memory: 3 }, {});
    const folder = await mkdtemp(join(tmpdir(), 'dump-'));
    const dump = () => ask('debugvm', 'win10', 'dumpvmcore', '--filename', join(folder, 'core'));
    expect((await dump()).stderr).toContain("Machine 'win10' is not currently running.");
    await ask('startvm', 'win10', '--type', 'headless');
    expect(await dump()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await stat(join(folder, 'core'))).size).toBeGreaterThan(3 << 20);
    expect((await dump()).stderr).toContain('VERR_ALREADY_EXISTS');
    await fake.change({ dumpCommand: 'dumpguestcore' });
    expect(await dump()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Unknown subcommand: dumpvmcore') as unknown,
    });
    await rm(folder, { recursive: true });
  });

  test('on Windows lines end otherwise, and errors begin otherwise', async () => {
    await install({}, { windows: true });
    expect((await ask('list', 'vms')).stdout).toBe(`"win "10"" {${UUID}}\r\n`);
    expect((await ask('showvminfo', UUID, '--machinereadable')).stdout).toContain(
      'CfgFile="C:\\\\VMs\\\\win \\"10\\"\\\\win \\"10\\".vbox"\r\n',
    );
    expect((await ask('showvminfo', 'x', '--machinereadable')).stderr).toMatch(
      /^VBoxManage\.exe: error: .*\r\n/,
    );
  });

  test('remembers what it was asked, and in which locale', async () => {
    await install({});
    await ask('list', 'vms');
    await ask('showvminfo', UUID, '--machinereadable');
    expect(await fake.calls()).toEqual([
      { argv: ['list', 'vms'], locale: 'C' },
      { argv: ['showvminfo', UUID, '--machinereadable'], locale: 'C' },
    ]);
  });
});
