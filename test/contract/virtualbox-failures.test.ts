import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../support/until.js';
import { virtualBoxLab, type LabGiven, type VirtualBoxLab } from '../support/vboxmanage/lab.js';
import { aVm, type Fault } from '../support/vboxmanage/model.js';
import { ownMachine } from '../support/vboxmanage/lab.js';

const patience = () => AbortSignal.timeout(50_000);

const LOCKED = [
  "The machine 'cuckoo1' is already locked for a session (or being unlocked)",
  'Details: code VBOX_E_INVALID_OBJECT_STATE (0x80bb0007), component MachineWrap, interface IMachine, callee nsISupports',
];

const text = (part: string | RegExp): unknown => expect.stringMatching(part);

describe('VirtualBox machines when something fails', () => {
  let lab: VirtualBoxLab;

  const open = async (given: LabGiven = {}) => {
    lab = await virtualBoxLab({ ...given, setup: { stateTimeoutMs: 6_000, ...given.setup } });
  };

  /** What of the fake's calls matters: without the questions. */
  const orders = async () =>
    (await lab.fake.calls())
      .map(({ argv }) => argv.join(' '))
      .filter((call) => !/^(-v|list|showvminfo)|list/.test(call));

  afterEach(async () => {
    await lab.fake.faults();
    await lab[Symbol.asyncDispose]();
  });

  test.each<Pick<Fault, 'kind'>>([{ kind: 'hang' }, { kind: 'hang-after' }])(
    'a startvm that never ends is ended, and the machine runs in the end: %o',
    async ({ kind }) => {
      await open();
      await lab.fake.faults({ command: ['startvm'], kind, times: 1 });
      await lab.machinery.start(lab.machine, patience());
      expect(await lab.machinery.state(lab.machine)).toBe('running');
      const { uuid } = await lab.fake.vm('cuckoo1');
      const tries = (await orders()).filter((call) => call === `startvm ${uuid} --type headless`);
      expect(tries).toHaveLength(kind === 'hang' ? 2 : 1);
    },
  );

  test('a poweroff that never ends is followed by an emergency stop', async () => {
    await open({ setup: { stateTimeoutMs: 3_000 } });
    await lab.machinery.start(lab.machine, patience());
    await lab.fake.faults({ command: ['controlvm', '*', 'poweroff'], kind: 'hang' });
    await lab.machinery.stop(lab.machine, patience());
    expect(await lab.fake.vm('cuckoo1')).toMatchObject({ state: 'aborted', session: 'Unlocked' });
  });

  test('a VirtualBox that answers nothing fails a stop in time, and the machine is not said to be off', async () => {
    await open({ setup: { stateTimeoutMs: 3_000 } });
    await lab.machinery.start(lab.machine, patience());
    await lab.fake.faults({ command: [], kind: 'hang' });
    await expect(lab.machinery.stop(lab.machine, patience())).rejects.toMatchObject({
      code: 'MACHINE_STOP_FAILED',
      message: text('win10 is not off'),
    });
    expect(await lab.machinery.state(lab.machine)).toBe('error');
  });

  test('a cancelled start that hangs rejects at once with the reason, and the machine can be stopped', async () => {
    await open({ setup: { stateTimeoutMs: 30_000 } });
    await lab.fake.faults({ command: ['startvm'], kind: 'hang-after', times: 1 });
    const cancel = new AbortController();
    const reason = new Error('cancelled by test');
    const starting = lab.machinery.start(lab.machine, cancel.signal);
    await until(async () => (await lab.fake.vm('cuckoo1')).state === 'running');
    cancel.abort(reason);
    await expect(starting).rejects.toBe(reason);
    await lab.machinery.stop(lab.machine, patience());
    expect(await lab.machinery.state(lab.machine)).toBe('off');
  });

  test.each([
    ['snapshot', 'snapshot "clean" was not restored: '],
    ['startvm', 'win10 did not start: '],
  ])('an error is one though %s exits with 0', async (command, what) => {
    await open();
    const errors = ['Something went wrong', 'Details: code E_FAIL (0x80004005)'];
    await lab.fake.faults(
      { command: [command, '*', 'list'], kind: 'slow', ms: 0 },
      { command: [command], kind: 'exit-0', errors },
    );
    await expect(lab.machinery.start(lab.machine, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
      message: text(`${what}.*Something went wrong; Details: code E_FAIL`),
    });
  });

  test('whoever has the lock for a moment is waited for', async () => {
    await open();
    await lab.fake.faults(
      { command: ['snapshot', '*', 'restore'], kind: 'exit-1', errors: LOCKED, times: 3 },
      { command: ['startvm'], kind: 'exit-1', errors: LOCKED, times: 2 },
      {
        command: ['showvminfo'],
        kind: 'exit-1',
        errors: ['The object is not ready', 'Details: code E_ACCESSDENIED (0x80070005)'],
        times: 2,
      },
    );
    await lab.machinery.start(lab.machine, patience());
    expect(await lab.machinery.state(lab.machine)).toBe('running');
  });

  test('whoever keeps the lock is not waited for for ever', async () => {
    await open({ setup: { stateTimeoutMs: 30_000 } });
    await lab.fake.faults({ command: ['snapshot', '*', 'restore'], kind: 'exit-1', errors: LOCKED });
    await expect(lab.machinery.prepare(lab.machine, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
      message: text('win10: snapshot "clean" was not restored: .*already locked for a session'),
    });
    expect((await orders()).filter((call) => call.includes('restore'))).toHaveLength(13);
  });

  test('a start that failed is tried once more, from the snapshot', async () => {
    await open();
    await lab.fake.faults({ command: ['startvm'], kind: 'exit-1', errors: ['Oops'], times: 1 });
    await lab.machinery.start(lab.machine, patience());
    expect(await lab.machinery.state(lab.machine)).toBe('running');
    const steps = (await orders()).map((call) => call.replace(/ \S+/, ''));
    expect(steps).toEqual([
      ...['snapshot restore clean', 'startvm --type headless'],
      ...['snapshot restore clean', 'startvm --type headless'],
    ]);
  });

  test('a state that does not end is named', async () => {
    await open({
      host: { transientMs: 60_000, earlyStart: true },
      setup: { stateTimeoutMs: 3_000 },
      vm: { state: 'saved' },
    });
    await lab.fake.faults({ command: ['snapshot', '*', 'restore'], kind: 'exit-0' });
    await expect(lab.machinery.start(lab.machine, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
      message: text(/^win10 did not start within 3000 ms; its state was last seen as (restoring|starting)$/),
    });
  });

  test('a machine that ends right after its start has not started', async () => {
    await open();
    await lab.fake.faults({ command: ['startvm'], kind: 'exit-0' });
    await expect(lab.machinery.start(lab.machine, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
      message: 'win10 did not start: its state is saved right after its start',
    });
  });

  test('a restored machine that somebody else used is restored again', async () => {
    await open();
    const { machinery, machine, fake } = lab;
    await machinery.prepare(machine, patience());
    await machinery.start(machine, patience());
    await machinery.stop(machine, patience());
    await machinery.prepare(machine, patience());
    await fake.changeVm('cuckoo1', { changed: Date.now() - 1 });
    await machinery.start(machine, patience());
    expect((await orders()).filter((call) => call.includes('restore'))).toHaveLength(3);
  });

  test('so many machines start at a time', async () => {
    const second = ownMachine({ name: 'win7', label: 'cuckoo2' });
    await open({
      host: { transientMs: 400, machines: [aVm({ name: 'cuckoo2', snapshots: [{ name: 'clean' }] })] },
      setup: { startLimit: 1, machines: [ownMachine(), second] },
    });
    let most = 0;
    let over = false;
    const starting = Promise.all(
      [ownMachine(), second].map((one) => lab.machinery.start(one, patience())),
    ).finally(() => (over = true));
    await until(async () => {
      const { machines } = await lab.fake.host();
      most = Math.max(most, machines.filter(({ state }) => state.startsWith('restoring')).length);
      return over;
    });
    await starting;
    expect(most).toBe(1);
  });

  describe('memory dumps', () => {
    let folder: string;
    const path = () => join(folder, 'memory.dmp');

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'dump-'));
    });

    afterEach(async () => {
      await rm(folder, { recursive: true });
    });

    test('are for our eyes only, and as large as RAM', async () => {
      await open();
      await lab.machinery.start(lab.machine, patience());
      await lab.machinery.dumpMemory(lab.machine, path(), patience());
      const { size, mode } = await stat(path());
      expect(size).toBeGreaterThan(64 << 20);
      expect(mode & 0o777).toBe(0o600);
    });

    test('are made by VirtualBox 4 too', async () => {
      await open({ host: { dumpCommand: 'dumpguestcore' } });
      await lab.machinery.start(lab.machine, patience());
      await lab.machinery.dumpMemory(lab.machine, path(), patience());
      expect((await stat(path())).size).toBeGreaterThan(64 << 20);
    });

    test.each([
      ['truncated', 'has only 33554432 of 67108864 bytes'],
      ['missing', 'has not written'],
      ['no-elf', 'is no ELF file'],
    ] as const)('that are %s are none', async (dump, message) => {
      await open({ host: { dump } });
      await lab.machinery.start(lab.machine, patience());
      await expect(lab.machinery.dumpMemory(lab.machine, path(), patience())).rejects.toMatchObject({
        code: 'PROTOCOL_VIOLATION',
        message: text(message),
      });
      await expect(stat(path())).rejects.toMatchObject({ code: 'ENOENT' });
      expect(await lab.machinery.state(lab.machine)).toBe('running');
    });

    test('for which there is no room say so', async () => {
      await open();
      await lab.machinery.start(lab.machine, patience());
      const errors = ['DBGFR3CoreWrite failed with VERR_DISK_FULL'];
      await lab.fake.faults({ command: ['debugvm'], kind: 'exit-1', errors });
      await expect(lab.machinery.dumpMemory(lab.machine, path(), patience())).rejects.toMatchObject({
        code: 'NO_DISK_SPACE',
      });
    });

    test("VirtualBox's own capture is where it was asked for once it has ended, on or off", async () => {
      await open();
      const { machinery, machine } = lab;
      const pcap = join(folder, 'dump.pcap');
      await machinery.start(machine, patience());
      {
        await using _capture = await machinery.capture(machine, pcap, patience());
        expect((await lab.fake.vm('cuckoo1')).trace.on).toBe(true);
      }
      expect((await lab.fake.vm('cuckoo1')).trace.on).toBe(false);
      expect((await readFile(pcap)).readUInt32LE(0)).toBe(0xa1b2c3d4);
      {
        await using capture = await machinery.capture(machine, `${pcap}2`, patience());
        await machinery.stop(machine, patience());
        expect(await capture.finish()).toEqual({ omitted: 0 });
      }
      expect((await stat(`${pcap}2`)).size).toBe(24);
    });

    test('a capture whose file is not there in the end is lost, and says so', async () => {
      await open();
      const { machinery, machine } = lab;
      await machinery.start(machine, patience());
      await using capture = await machinery.capture(machine, join(folder, 'dump.pcap'), patience());
      await rm((await lab.fake.vm('cuckoo1')).trace.file);
      await expect(capture.finish()).rejects.toMatchObject({ code: 'CAPTURE_FAILED' });
    });

    test('a capture of a machine that is off begins when it is started, and is none when it never was', async () => {
      await open();
      const { machinery, machine } = lab;
      const pcap = join(folder, 'dump.pcap');
      await (await machinery.capture(machine, pcap, patience()))[Symbol.asyncDispose]();
      await expect(stat(pcap)).rejects.toMatchObject({ code: 'ENOENT' });
      {
        await using _capture = await machinery.capture(machine, pcap, patience());
        expect((await lab.fake.vm('cuckoo1')).trace.on).toBe(false);
        await machinery.start(machine, patience());
        expect((await lab.fake.vm('cuckoo1')).trace.on).toBe(true);
      }
      expect((await readFile(pcap)).readUInt32LE(0)).toBe(0xa1b2c3d4);
      await machinery.stop(machine, patience());
    });
  });

  test('remote control is opened on the loopback, for those starts that it was asked for', async () => {
    await open({ setup: { controlPorts: '5000-5050' } });
    const { machinery, machine } = lab;
    await machinery.start(machine, patience());
    expect(await machinery.remoteControl(machine, patience())).toBeNull();
    await machinery.stop(machine, patience());
    machinery.setRemoteControl(machine, 'on');
    await machinery.start(machine, patience());
    expect(await machinery.remoteControl(machine, patience())).toEqual({
      ...{ protocol: 'rdp', host: '127.0.0.1', port: 5000 },
    });
    expect((await lab.fake.vm('cuckoo1')).vrde).toEqual({
      ...{ on: true, port: '5000-5050', multiple: true, address: '127.0.0.1' },
    });
    machinery.setRemoteControl(machine, 'off');
    await machinery.stop(machine, patience());
    await machinery.start(machine, patience());
    expect(await machinery.remoteControl(machine, patience())).toBeNull();
  });

  test('remote control without ports is refused', async () => {
    await open();
    expect(() => lab.machinery.setRemoteControl(lab.machine, 'on')).toThrow(
      'controlports in virtualbox.conf',
    );
  });

  test('every command is given in the C locale, and machines by their UUID', async () => {
    await open({ vm: { name: '-rf "x"' }, machine: { label: '-rf "x"' } });
    await lab.machinery.start(lab.machine, patience());
    const { uuid } = await lab.fake.vm('-rf "x"');
    const calls = await lab.fake.calls();
    expect(new Set(calls.map(({ locale }) => locale))).toEqual(new Set(['C']));
    const named = calls.map(({ argv }) => argv).filter(([verb = '']) => !['-v', 'list'].includes(verb));
    expect(new Set(named.map(([, vm]) => vm))).toEqual(new Set([uuid]));
  });
});
