import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { OwnMachine } from '#domain/machine.js';
import { LIBVIRT_CODES } from '#libvirt/error.js';
import { Libvirt } from '#libvirt/libvirt.js';
import { libvirtMachinery } from '#machinery/adapters/libvirt/libvirt.js';
import type { Machinery } from '#machinery/machinery.js';
import { startSessionLibvirtd, type SessionLibvirtd } from '../support/libvirtd-session.js';
import { aMachine } from '../support/machine.js';
import { machineryContract } from './machinery.contract.js';

/** Our adapter on libvirt's make-believe hypervisor: real snapshots, states and events, no guest, no privileges. */
const patience = () => AbortSignal.timeout(30_000);

const machine: OwnMachine = {
  ...aMachine('test'),
  ...{ snapshot: 'clean', interface: '', options: [], agentPort: 8000 },
};

describe('libvirt’s test driver', () => {
  let server: SessionLibvirtd;
  let libvirt: Libvirt;
  let opened: Awaited<ReturnType<typeof libvirtMachinery>>;
  let machinery: Machinery;

  beforeAll(async () => {
    server = await startSessionLibvirtd();
    libvirt = await Libvirt.connect(server.uri, {}, patience());
    const domain = await libvirt.domain('test', patience());
    const snapshot = '<domainsnapshot><name>clean</name></domainsnapshot>';
    await libvirt.snapshotCreate(domain, snapshot, 0, patience());
    const setup = { libvirt, machines: [machine], loadvm: false, files: 'here' } as const;
    opened = await libvirtMachinery(setup, patience());
    machinery = { ...opened };
    delete machinery.dumpMemory; // it dumps no memory: see the last test
  });

  afterAll(async () => {
    await opened[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  machineryContract('libvirt (test driver)', () => ({
    machinery,
    lose: async (name) => {
      await using other = await Libvirt.connect(server.uri, {}, patience());
      await other.destroy(await other.domain(name, patience()), patience());
    },
  }));

  test('no memory is dumped by a driver that cannot', async () => {
    await opened.start(machine, patience());
    await expect(opened.dumpMemory(machine, `${server.dir}/memory`, patience())).rejects.toMatchObject({
      cause: { code: LIBVIRT_CODES.invalidArgument },
    });
    await opened.stop(machine, patience());
  });
});
