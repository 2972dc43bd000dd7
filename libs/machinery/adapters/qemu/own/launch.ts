import type { FileHandle } from 'node:fs/promises';
import { reason } from '#domain/errors.js';
import { namelessFile } from '../private-copy.js';
import { launchQemu, type Given, type QemuProcess } from '../process.js';
import { OWN_FD, ownArgs, type OwnPurpose } from './argv.js';
import { UNATTACHED, type AgentAddress, type Attachments } from './attach.js';
import { PacketFile } from './capture.js';
import type { DiskGraph } from './disk.js';
import type { OwnPlan } from './plan.js';

/** Files of a machine, open for reading. */
export interface OwnFiles {
  readonly chain: readonly FileHandle[];
  readonly kernel: FileHandle | null;
  readonly initrd: FileHandle | null;
}

export interface OwnLaunch {
  readonly plan: OwnPlan;
  readonly purpose: OwnPurpose;
  readonly kind: DiskGraph['kind'];
  readonly files: OwnFiles;
  /** The template's own layer of the disk. */
  readonly template: FileHandle;
  /** What the guest writes to, thrown away; null = the template's layer itself. */
  readonly overlay: FileHandle | null;
  readonly memory: FileHandle | null;
  /** Name of its record. */
  readonly name: string;
  readonly runDir: string;
  /** Null = a cable to nowhere. */
  readonly attachments: Attachments | null;
}

export interface OwnProcess {
  readonly qemu: QemuProcess;
  readonly agent: AgentAddress | null;
  readonly packets: PacketFile;
}

/** A port that was free a moment ago may be taken: another one is tried. */
const PORT_TRIES = 3;

/** @throws MACHINE_START_FAILED with what QEMU said */
export async function launchOwn(launch: OwnLaunch, signal: AbortSignal): Promise<OwnProcess> {
  for (let tries = 1; ; tries++) {
    try {
      return await launchOnce(launch, signal);
    } catch (error) {
      if (tries === PORT_TRIES || !reason(error).includes('host forwarding rule')) throw error;
    }
  }
}

async function launchOnce(launch: OwnLaunch, signal: AbortSignal): Promise<OwnProcess> {
  const { plan, purpose, files, template, overlay, memory, name, runDir } = launch;
  const { identity, program } = plan;
  using attachment = (await launch.attachments?.attach(plan, signal)) ?? UNATTACHED;
  const packets = await namelessFile({ machine: name, runDir, identity });
  const disks = [...files.chain, template, ...(overlay === null ? [] : [overlay])].map(({ fd }) => fd);
  const at = (index: number) => OWN_FD.disks + index;
  const { chain } = plan.image;
  const graph = { chain, kind: launch.kind, writes: overlay === null ? 'template' : 'overlay' } as const;
  const args = ownArgs({
    ...{ plan, purpose, graph, netdev: attachment.netdev },
    disks: {
      chain: chain.map((_, index) => at(index)),
      template: at(chain.length),
      overlay: overlay === null ? null : at(chain.length + 1),
    },
  });
  // In the order of FD: net, kernel, initrd, root (which has no use here), memory; then OWN_FD.
  const given: readonly Given[] = [
    attachment.given,
    files.kernel?.fd ?? 'ignore',
    files.initrd?.fd ?? 'ignore',
    'ignore',
    memory?.fd ?? 'ignore',
    packets.fd,
    ...disks,
  ];
  try {
    const onSpawned = () => attachment[Symbol.dispose]();
    const before = attachment.before;
    const parts = { program, identity, args, given, onSpawned, before, machine: name, runDir };
    const qemu = await launchQemu(parts, signal);
    return { qemu, agent: attachment.agent, packets: new PacketFile(packets, qemu) };
  } catch (error) {
    await packets.close();
    throw error;
  }
}
