import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OwnMachine } from '#domain/machine.js';
import { LibvirtConnectionLost } from '#libvirt/libvirt.js';
import { FakeHypervisor, fakeDomain, libvirtError, OFF, PAUSED, RUNNING } from './hypervisor.fake.js';
import { MachinePool } from '../../pool.js';
import { libvirtMachinery } from './libvirt.js';

const MACHINE: OwnMachine = {
  name: 'win',
  label: 'win10',
  platform: 'windows',
  arch: 'x64',
  tags: [],
  reserved: false,
  ip: '192.168.122.10',
  resultServer: { ip: '192.168.122.1', port: 2042 },
  snapshot: 'clean',
  interface: 'virbr0',
  options: [],
  agentPort: 8000,
};
const ANY = { machine: null, platform: null, arch: null, tags: [] };
const patience = () => AbortSignal.timeout(5_000);
const open = (libvirt: FakeHypervisor, machines = [MACHINE], loadvm = false) =>
  libvirtMachinery({ libvirt, machines, loadvm, files: 'here' }, patience());
const fail = (error: Error) => () => Promise.reject(error);

let libvirt: FakeHypervisor;
let machinery: Awaited<ReturnType<typeof open>>;

beforeEach(async () => {
  libvirt = new FakeHypervisor({ win10: fakeDomain('52:54:00:00:00:01') });
  machinery = await open(libvirt);
});

afterEach(async () => {
  await machinery[Symbol.asyncDispose]();
  expect(libvirt.listeners).toBe(0);
});

describe('restoring', () => {
  test('is done ahead; starting only resumes', async () => {
    await machinery.prepare(MACHINE, patience());
    expect(libvirt.calls).toEqual(['revert win10 clean']);
    await machinery.start(MACHINE, patience());
    expect(libvirt.calls).toEqual(['revert win10 clean', 'resume win10']);
  });

  test('a machine paused by somebody else is none that we restored', async () => {
    libvirt.change('win10', PAUSED);
    await machinery.start(MACHINE, patience());
    expect(libvirt.calls).toEqual(['destroy win10', 'revert win10 clean', 'resume win10']);
  });

  test('what fails once is tried again after a forced power-off', async () => {
    libvirt.before.push({ call: /^revert/, act: fail(libvirtError(38)) });
    libvirt.change('win10', RUNNING);
    await machinery.prepare(MACHINE, patience());
    expect(libvirt.calls).toEqual(['destroy win10', 'revert win10 clean', 'revert win10 clean']);
  });

  test('what fails twice is told with libvirt’s words', async () => {
    const error = libvirtError(38);
    libvirt.before.push({ call: /^revert/, act: fail(error) }, { call: /^revert/, act: fail(error) });
    await expect(machinery.prepare(MACHINE, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
      message: expect.stringContaining('"clean" of the domain "win10"'),
      cause: error,
    });
  });

  test('what will not get better is not tried again', async () => {
    libvirt.before.push({ call: /^revert/, act: fail(libvirtError(67)) });
    await expect(machinery.start(MACHINE, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
    });
    expect(libvirt.calls).toEqual(['revert win10 clean']);
  });

  test('a state that is not the wanted one is a failure, and named', async () => {
    libvirt.resume = async (domain) => {
      libvirt.calls.push(`resume ${domain.name}`);
    };
    await expect(machinery.start(MACHINE, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
      cause: { message: expect.stringContaining('"paused" (7), not running') },
    });
  });

  test('a revert whose caller has left is waited for before the machine counts as stopped', async () => {
    let arrive = () => {};
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    let finish = () => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const act = async () => {
      arrive();
      await finished;
    };
    libvirt.before.push({ call: /^revert/, act });
    const cancel = new AbortController();
    const preparing = machinery.prepare(MACHINE, cancel.signal);
    await arrived;
    const reason = new Error('cancelled by test');
    cancel.abort(reason);
    await expect(preparing).rejects.toBe(reason);
    const stopping = machinery.stop(MACHINE, patience());
    finish(); // and libvirt leaves a restored, paused machine behind
    await stopping;
    expect(libvirt.calls).toEqual(['revert win10 clean', 'destroy win10']);
    expect(await machinery.state(MACHINE)).toBe('off');
  });

  test('in place only a machine of ours that runs is loaded', async () => {
    await using loading = await open(libvirt, [MACHINE], true);
    libvirt.change('win10', RUNNING); // by somebody else
    await loading.start(MACHINE, patience());
    expect(libvirt.calls).toEqual(['destroy win10', 'revert win10 clean', 'resume win10']);
    await loading.recycle?.(MACHINE, patience());
    expect(await loading.state(MACHINE)).toBe('paused');
    await loading.start(MACHINE, patience());
    expect(libvirt.calls.slice(3)).toEqual(['suspend win10', 'resume win10']);
  });

  test('one that was not started by us is not loaded into, and who has no loadvm = yes cannot', async () => {
    expect(machinery).not.toHaveProperty('recycle');
    await using loading = await open(libvirt, [MACHINE], true);
    libvirt.change('win10', RUNNING); // by somebody else
    await expect(loading.recycle?.(MACHINE, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
    });
    expect(libvirt.calls).toEqual([]);
  });

  test('what QEMU’s monitor says against it is heard, and the snapshot then reverted to', async () => {
    await using loading = await open(libvirt, [MACHINE], true);
    await loading.start(MACHINE, patience());
    const run = loading.lost(MACHINE);
    libvirt.monitorCommand = async () => ({ return: 'Error: no such snapshot' });
    await expect(loading.recycle?.(MACHINE, patience())).rejects.toMatchObject({
      code: 'MACHINE_START_FAILED',
      cause: { message: expect.stringContaining('no such snapshot') as unknown },
    });
    await loading.start(MACHINE, patience());
    expect(run.aborted).toBe(false);
    expect(libvirt.calls.slice(2)).toEqual([
      'suspend win10',
      'destroy win10',
      'revert win10 clean',
      'resume win10',
    ]);
  });
});

describe('a machine that somebody else runs', () => {
  test('runs on when all is opened and closed', async () => {
    await using other = await open(libvirt);
    await other.start(MACHINE, patience());
    const { calls } = libvirt;
    calls.length = 0;
    await (await open(libvirt))[Symbol.asyncDispose]();
    expect(calls).toEqual([]);
    expect(await other.state(MACHINE)).toBe('running');
    expect(other.lost(MACHINE).aborted).toBe(false);
  });

  test('runs on after a pool that was not told to begin; one that was stops it first', async () => {
    libvirt.change('win10', RUNNING);
    const refused = new MachinePool([machinery], { startLimit: 1, begins: 'when told' });
    await refused.close(patience());
    expect(libvirt.calls).toEqual([]);
    const pool = new MachinePool([machinery], { startLimit: 1, begins: 'when told' });
    pool.begin();
    await (await pool.acquire(ANY, patience()))[Symbol.asyncDispose]();
    await pool.close(patience());
    expect(libvirt.calls.slice(0, 2)).toEqual(['destroy win10', 'revert win10 clean']);
  });
});

describe('stopping', () => {
  test('goes on when the connection is back', async () => {
    libvirt.change('win10', RUNNING);
    const act = () => {
      libvirt.connected = false;
      setImmediate(() => libvirt.reconnect());
      return Promise.reject(new LibvirtConnectionLost('away'));
    };
    libvirt.before.push({ call: /^destroy/, act });
    await machinery.stop(MACHINE, patience());
    expect(libvirt.calls).toEqual(['destroy win10', 'destroy win10']);
    expect(await machinery.state(MACHINE)).toBe('off');
  });

  test('succeeds when it ended by itself meanwhile', async () => {
    libvirt.change('win10', RUNNING);
    const act = () => {
      libvirt.change('win10', OFF);
      return Promise.reject(libvirtError(55));
    };
    libvirt.before.push({ call: /^destroy/, act });
    await machinery.stop(MACHINE, patience());
  });

  test('is MACHINE_STOP_FAILED when libvirt cannot, and says what state it is in', async () => {
    libvirt.change('win10', RUNNING);
    for (let times = 0; times < 2; times++)
      libvirt.before.push({ call: /^destroy/, act: fail(libvirtError(38)) });
    await expect(machinery.stop(MACHINE, patience())).rejects.toMatchObject({
      code: 'MACHINE_STOP_FAILED',
      message: 'win: the domain "win10" cannot be ended, it is running',
    });
  });
});

describe('losing a guest', () => {
  /** Lets what an event began come to its end. */
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

  test('a late event of its own restore says nothing', async () => {
    await machinery.start(MACHINE, patience());
    libvirt.tell('win10');
    await settled();
    expect(machinery.lost(MACHINE).aborted).toBe(false);
  });

  test.each([
    [{ state: 'off', reason: 1 }, 'GUEST_LOST', 'it powered itself off'],
    [{ state: 'crashed', reason: 1 }, 'GUEST_LOST', 'its kernel panicked'],
    [{ state: 'paused', reason: 5 }, 'NO_DISK_SPACE', 'it stands still'],
  ] as const)('in the state %j', async (state, code, why) => {
    await machinery.start(MACHINE, patience());
    libvirt.change('win10', state);
    await settled();
    expect(machinery.lost(MACHINE).reason).toMatchObject({
      code,
      message: expect.stringContaining(why),
    });
  });

  test('while the connection was lost is noticed when it is back', async () => {
    await machinery.start(MACHINE, patience());
    (libvirt.fakes['win10'] ?? { state: null }).state = OFF;
    expect(machinery.lost(MACHINE).aborted).toBe(false);
    libvirt.reconnect();
    await settled();
    expect(machinery.lost(MACHINE).aborted).toBe(true);
  });

  test('before it was started is none', async () => {
    await machinery.prepare(MACHINE, patience());
    libvirt.change('win10', OFF);
    await settled();
    expect(machinery.lost(MACHINE).aborted).toBe(false);
  });
});
