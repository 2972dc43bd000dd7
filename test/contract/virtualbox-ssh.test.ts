import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sshHost } from '#machinery/adapters/virtualbox/ssh-host.js';
import type { VirtualBoxMachinery } from '#machinery/adapters/virtualbox/virtualbox.js';
import { openSsh, type SshConnection } from '#ssh/ssh.js';
import { startSshd, type TestSshd } from '../support/sshd.js';
import type { FakeVirtualBox } from '../support/vboxmanage/install.js';
import { fakeHost, openOn, ownMachine } from '../support/vboxmanage/lab.js';
import { machineryContract } from './machinery.contract.js';

const patience = () => AbortSignal.timeout(50_000);

describe('VirtualBox over SSH', () => {
  let sshd: TestSshd;
  let fake: FakeVirtualBox;
  let machinery: VirtualBoxMachinery;
  const connections: SshConnection[] = [];
  const machine = ownMachine();

  const host = (program: string) =>
    sshHost({
      ...{ program, name: 'cuckoo@lab2' },
      async connect(signal) {
        const connection = await openSsh(sshd.target, signal);
        connections.push(connection);
        return connection;
      },
    });

  beforeAll(async () => {
    sshd = await startSshd();
    fake = await fakeHost({ vm: { memory: 8 } });
    machinery = await openOn(fake, { setup: { host: host(fake.path), stateTimeoutMs: 8_000 } });
  });

  afterAll(async () => {
    await machinery[Symbol.asyncDispose]();
    await fake[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
  });

  /** Of ours, on the other host. */
  const folders = async () => (await readdir('/var/tmp')).filter((name) => name.startsWith('malkoha.'));

  machineryContract('VirtualBox (SSH)', () => ({
    machinery,
    lose: async () => await fake.end('cuckoo1', 'aborted'),
  }));

  test('a memory dump is fetched whole, and nothing of it stays there', async () => {
    const before = await folders();
    const folder = await mkdtemp(join(tmpdir(), 'dump-'));
    const path = join(folder, 'memory.dmp');
    await machinery.start(machine, patience());
    await machinery.dumpMemory(machine, path, patience());
    const { size, mode } = await stat(path);
    expect(size).toBe((8 << 20) + 64);
    expect(mode & 0o777).toBe(0o600);
    await fake.change({ dump: 'truncated' });
    await expect(machinery.dumpMemory(machine, `${path}2`, patience())).rejects.toMatchObject({
      code: 'PROTOCOL_VIOLATION',
      message: expect.stringContaining('has only 4194304 of 8388608 bytes') as unknown,
    });
    expect(await readdir(folder)).toEqual(['memory.dmp']);
    await fake.change({ dump: 'whole' });
    await machinery.stop(machine, patience());
    await rm(folder, { recursive: true });
    expect(await folders()).toEqual(before);
  });

  test('a lost connection is made anew', async () => {
    await machinery.prepare(machine, patience());
    const before = connections.length;
    await connections.at(-1)?.[Symbol.asyncDispose]();
    await machinery.start(machine, patience());
    expect(connections.length).toBe(before + 1);
    await machinery.stop(machine, patience());
  });

  test('a poweroff that hangs there is ended there, and followed by an emergency stop', async () => {
    await machinery.start(machine, patience());
    await fake.faults({ command: ['controlvm', '*', 'poweroff'], kind: 'hang' });
    await machinery.stop(machine, patience());
    await fake.faults();
    expect((await fake.vm('cuckoo1')).state).toBe('aborted');
  });

  test('a VBoxManage that is not there is named with its host', async () => {
    await expect(openOn(fake, { setup: { host: host('/nowhere/VBoxManage') } })).rejects.toMatchObject({
      code: 'SETUP_MISSING',
      message: expect.stringContaining(
        'cuckoo@lab2: /nowhere/VBoxManage does not work: /nowhere/VBoxManage is not there',
      ) as unknown,
    });
  });
});
