import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AgentClient } from '#guest/agent.js';
import { dialTcp } from '#guest/dial.js';
import type { AgentAddress } from '#machinery/adapters/qemu/own/attach.js';
import { macOf, type OwnQemuMachine } from '#machinery/adapters/qemu/own/machine.js';
import { addressPlan } from '#network/userspace/addresses.js';
import { guestAuthority, Networks } from '../../apps/worker/networks.js';
import { guestLab } from './guest-lab.js';
import { aMachine } from './machine.js';

/** Room after the root file system, where a guest may write to its disk. Bytes. */
export const SPARE = 1 << 20;

const MEGABYTE = 1 << 20;

/** A machine as an operator would describe it: the default guest's kernel and initrd, and its root as a qcow2 disk. */
export function anOwnQemuMachine(name: string, changes: Partial<OwnQemuMachine> = {}): OwnQemuMachine {
  return {
    ...aMachine(name),
    ...{ interface: '', options: ['virtio'], agentPort: 8000, image: '', kernel: '', initrd: '', mac: '' },
    ...{ memory: 256, enableKvm: false, cpu: '' },
    ...changes,
  };
}

/** A folder with what an operator has: disk.qcow2 (the root, and SPARE bytes after it), vmlinuz and initrd. */
export async function ownQemuLab(signal: AbortSignal) {
  const lab = await guestLab(signal);
  const { image } = lab.wanted;
  const folder = join(lab.dir, 'vms');
  await mkdir(folder);
  const disk = join(folder, 'disk.qcow2');
  await img('convert', '-f', 'raw', '-O', 'qcow2', image.root, disk);
  const root = Math.ceil((await stat(image.root)).size / MEGABYTE) * MEGABYTE;
  await img('resize', '-q', disk, String(root + SPARE));
  const machine = (name: string, changes: Partial<OwnQemuMachine> = {}) =>
    anOwnQemuMachine(name, {
      ...{ image: disk, kernel: image.kernel, initrd: image.initrd, append: image.cmdline },
      ...changes,
    });
  const reference = join(folder, 'disk.time');
  await writeFile(reference, '');
  await touch(reference, `--reference=${disk}`);
  const networks = new Networks(lab.dir, await guestAuthority(lab.dir), (name) => {
    const { ip, resultServer, mac } = anOwnQemuMachine(name);
    return addressPlan({ ip, gateway: resultServer.ip, mac: macOf({ name, mac }) });
  });
  const agentOf = ({ name }: Pick<OwnQemuMachine, 'name'>, agent: AgentAddress | null) =>
    new AgentClient(agent === null ? (by) => networks.dialAgent(name, by) : dialTcp(agent.host, agent.port));
  return {
    ...{ folder, disk, machine, agentOf },
    /** A file that has the time of the disk. */
    reference,
    /** Where the spare room begins, bytes. */
    spareAt: root,
    setup: {
      ...{ path: '', runDir: lab.wanted.runDir, guestsDir: join(lab.dir, 'guests') },
      wire: ({ name }: OwnQemuMachine) => networks.wire(name),
    },
    waitReady: (machine: OwnQemuMachine, agent: AgentAddress | null, by: AbortSignal) =>
      agentOf(machine, agent).waitReady(by),
    async [Symbol.asyncDispose]() {
      await networks[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    },
  };
}

export type OwnQemuLab = Awaited<ReturnType<typeof ownQemuLab>>;

/** Sets a file's time, whose nanoseconds Node cannot. */
export async function touch(path: string, how: string): Promise<void> {
  await promisify(execFile)('touch', [how, path]);
}

async function img(...args: readonly string[]): Promise<void> {
  await promisify(execFile)('qemu-img', args);
}

export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
