import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { SandboxError } from '#domain/errors.js';
import type { OwnMachine } from '#domain/machine.js';
import { Libvirt } from '#libvirt/libvirt.js';
import { libvirtMachinery } from '#machinery/adapters/libvirt/libvirt.js';
import { MachinePool } from '#machinery/pool.js';
import { openSsh } from '#ssh/ssh.js';
import { aborted, machineryContract } from '../contract/machinery.contract.js';
import { LibvirtLab } from '../support/libvirt-lab.js';
import { startSshd } from '../support/sshd.js';

/** The guest image may have to be built, and its machines boot once. */
jest.setTimeout(600_000);

const patience = () => AbortSignal.timeout(120_000);
const MEMORY_MB = 512;
const ANY = { machine: null, platform: null, arch: null, tags: [] };
const LEFT = '/usr/bin/left';

type LibvirtMachinery = Awaited<ReturnType<typeof libvirtMachinery>>;

// All in one block: what the block closes is closed before this file is looked at for leaks.
describe('libvirt', () => {
  let lab: LibvirtLab;
  let libvirt: Libvirt;

  beforeAll(async () => {
    lab = await LibvirtLab.open({ count: 2, memoryMb: MEMORY_MB }, AbortSignal.timeout(590_000));
    libvirt = await Libvirt.connect(lab.uri, {}, patience());
  });

  afterAll(async () => {
    await libvirt[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const machine = (index: number, snapshot: string | null = 'clean'): OwnMachine => {
    const known = lab.machines[index];
    if (known === undefined) throw new Error(`the lab has no machine ${index}`);
    return { ...known, snapshot };
  };
  const openWith = (machines: readonly OwnMachine[], loadvm = false) =>
    libvirtMachinery({ libvirt, machines, loadvm, files: 'here' }, patience());
  const killQemu = async (name: string) => {
    const found = lab.machines.find((one) => one.name === name);
    if (found) await lab.kill(await lab.qemuPid(found), 'KILL', patience());
  };

  const reconnected = () =>
    new Promise<void>((resolve) => {
      const stop = libvirt.onReconnect(() => {
        stop();
        resolve();
      });
    });

  /** A file in the guest, when it is there: the agent does not wait for what it executes. */
  const eventually = async (one: OwnMachine, path: string): Promise<string> => {
    for (;;) {
      try {
        const content = (await lab.agent(one).retrieve(path, 100, patience())).toString();
        if (content !== '') return content;
      } catch (error) {
        if (!(error instanceof SandboxError) || error.code !== 'AGENT_REFUSED') throw error;
      }
      await sleep(50);
    }
  };

  describe.each([
    ['reverted', 'clean'],
    ['booted from a snapshot taken while off', 'off'],
  ] as const)('domains %s', (how, snapshot) => {
    let machinery: LibvirtMachinery;

    beforeAll(async () => {
      machinery = await openWith([machine(0, snapshot)]);
    });

    afterAll(async () => {
      await machinery[Symbol.asyncDispose]();
    });

    machineryContract(`libvirt (${how})`, () => ({ machinery, lose: killQemu }));
  });

  test.each([
    ['a revert', false],
    ['loadvm in place', true],
  ] as const)('nothing of one run is there after %s', async (_, loadvm) => {
    const one = machine(0);
    await using machinery = await openWith([one], loadvm);
    const pool = new MachinePool([machinery], { startLimit: 1 });
    const agent = lab.agent(one);
    let before: unknown;
    {
      await using lease = await pool.acquire(ANY, patience());
      await lease.start(patience());
      await agent.waitReady(patience());
      await agent.execute(`sh -c 'echo malware > ${LEFT}'`, '/', patience());
      expect(await eventually(one, LEFT)).toBe('malware\n');
      before = await lab.qemuPid(one);
    }
    {
      await using lease = await pool.acquire(ANY, patience());
      expect(await machinery.state(one)).toBe('paused');
      expect((await lab.qemuPid(one)) === before).toBe(loadvm);
      await lease.start(patience());
      await agent.waitReady(patience());
      await expect(agent.retrieve(LEFT, 100, patience())).rejects.toMatchObject({ code: 'AGENT_REFUSED' });
    }
    await pool.close(patience());
  });

  test('a guest of a snapshot taken while off boots, and answers', async () => {
    const one = machine(1, 'off');
    await using machinery = await openWith([one]);
    await machinery.prepare(one, patience());
    await machinery.start(one, patience());
    await lab.agent(one).waitReady(patience());
    expect(machinery.lost(one).aborted).toBe(false);
  });

  test('without a name, the current snapshot is taken', async () => {
    await using machinery = await openWith([machine(0, null)]);
    await machinery.prepare(machine(0), patience());
    expect(await machinery.state(machine(0))).toBe('paused');
  });

  test('what a machine lacks is said, with what there is and what to do', async () => {
    const missing = { ...machine(0), snapshot: 'gone' };
    const unknown = { ...machine(1), label: 'nope' };
    const opened = openWith([missing, unknown]);
    await expect(opened).rejects.toMatchObject({ code: 'SETUP_MISSING' });
    const text = await opened.catch(String);
    expect(text).toContain('linux1: the domain "linux1" has no snapshot "gone"; it has ');
    expect(text).toContain(`snapshot-create-as linux1 gone`);
    expect(text).toContain('has no domain "nope" (`label` in kvm.conf); it has linux1, linux2');
  });

  test('two machines cannot be one domain', async () => {
    await expect(openWith([machine(0), { ...machine(0), name: 'again' }])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('is already the machine linux1'),
    });
  });

  test('a machine found running is left alone by who only opens it, and stopped by a pool that begins', async () => {
    const one = machine(0);
    await lab.virsh(patience(), 'snapshot-revert', 'linux1', 'clean');
    const before = await lab.qemuPid(one);
    {
      await using machinery = await openWith([one]);
      const refused = new MachinePool([machinery], { startLimit: 1, begins: 'when told' });
      await refused.close(patience());
    }
    expect(await lab.qemuPid(one)).toBe(before);
    await using machinery = await openWith([one]);
    expect(await machinery.state(one)).toBe('running');
    const pool = new MachinePool([machinery], { startLimit: 1 });
    await (await pool.acquire(ANY, patience()))[Symbol.asyncDispose]();
    await pool.close(patience());
    expect(await machinery.state(one)).toBe('off');
  });

  test('a machine behind another bridge than its configuration says is refused', async () => {
    const opened = openWith([{ ...machine(0), interface: 'lo' }]);
    await expect(opened).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await opened.catch(String)).toContain(
      'has its network card on br0, and interface = lo in kvm.conf',
    );
  });

  test('a guest that powers itself off is lost; one beside it is not', async () => {
    const [one, other] = [machine(0), machine(1)];
    await using machinery = await openWith([one, other]);
    await machinery.start(one, patience());
    await machinery.start(other, patience());
    await lab.agent(one).waitReady(patience());
    // It dies in the middle of the answer.
    const answer = lab
      .agent(one)
      .execute("sh -c 'echo o > /proc/sysrq-trigger'", '/', patience())
      .catch(() => undefined);
    await aborted(machinery.lost(one));
    await answer;
    expect(machinery.lost(one).reason).toMatchObject({ code: 'GUEST_LOST' });
    expect(machinery.lost(other).aborted).toBe(false);
    expect(await machinery.state(one)).toBe('off');
  });

  test('a libvirtd that is killed and started again is found again, and its machines with it', async () => {
    const one = machine(0);
    await using machinery = await openWith([one]);
    await machinery.start(one, patience());
    const back = reconnected();
    await lab.killLibvirtd('restart', patience());
    await back;
    expect(await machinery.state(one)).toBe('running');
    expect(machinery.lost(one).aborted).toBe(false);
    await lab.agent(one).waitReady(patience());
    await machinery.stop(one, patience());
    await machinery.start(one, patience());
    expect(await machinery.state(one)).toBe('running');
  });

  test('a restore survives that libvirtd is killed in the middle of it', async () => {
    const one = machine(0);
    await using machinery = await openWith([one]);
    const prepared = machinery.prepare(one, patience());
    await sleep(150); // somewhere in the half second of a revert
    const back = reconnected();
    await lab.killLibvirtd('restart', patience());
    await Promise.all([prepared, back]);
    expect(await machinery.state(one)).toBe('paused');
  });

  test('a guest that ends while libvirtd is down is lost when it is back', async () => {
    const one = machine(0);
    await using machinery = await openWith([one]);
    await machinery.start(one, patience());
    const lost = machinery.lost(one);
    await lab.killLibvirtd('hold', patience());
    await killQemu(one.name);
    expect(await machinery.state(one)).toBe('error');
    expect(lost.aborted).toBe(false);
    await lab.resumeLibvirtd(patience());
    await aborted(lost);
    expect(lost.reason).toMatchObject({ code: 'GUEST_LOST' });
  });

  test('a memory dump is all of the RAM, ours alone, and none is left of one that failed', async () => {
    const one = machine(0);
    await using machinery = await openWith([one]);
    const folder = await mkdtemp(join(tmpdir(), 'dump-'));
    try {
      await machinery.start(one, patience());
      const path = join(folder, 'memory.dmp');
      await machinery.dumpMemory(one, path, patience());
      const { size, mode, uid } = await stat(path);
      expect(size).toBeGreaterThan(MEMORY_MB * 0.9 * 2 ** 20);
      expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: process.geteuid?.() });
      await using file = await open(path);
      const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
      expect(buffer.toString('latin1')).toBe('\x7fELF');

      await machinery.stop(one, patience());
      await expect(machinery.dumpMemory(one, join(folder, 'none'), patience())).rejects.toThrow();
      expect(await readdir(folder)).toEqual(['memory.dmp']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('over ssh too, where the dump is fetched and nothing stays on the other host', async () => {
    await using sshd = await startSshd();
    const { host, port, user, identityFile, knownHosts } = sshd.target;
    const query = new URLSearchParams({ socket: lab.socket, keyfile: identityFile, known_hosts: knownHosts });
    const uri = `qemu+ssh://${user}@${host}:${port}/system?${query.toString()}`;
    await using remote = await Libvirt.connect(uri, {}, patience());
    const machines = [machine(0)];
    await using machinery = await libvirtMachinery(
      { libvirt: remote, machines, loadvm: false, files: { connect: (by) => openSsh(sshd.target, by) } },
      patience(),
    );
    const folder = await mkdtemp(join(tmpdir(), 'dump-'));
    const left = async () => (await readdir('/var/tmp')).filter((name) => name.startsWith('malkoha-'));
    const before = await left();
    try {
      await machinery.start(machine(0), patience());
      await machinery.dumpMemory(machine(0), join(folder, 'memory.dmp'), patience());
      expect((await stat(join(folder, 'memory.dmp'))).size).toBeGreaterThan(MEMORY_MB * 0.9 * 2 ** 20);
      expect(await left()).toEqual(before);
      await lab.agent(machine(0)).waitReady(patience());
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
