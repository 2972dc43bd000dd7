import { chmod, mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { reason } from '#domain/errors.js';
import { AgentClient } from '#guest/agent.js';
import { ensureImage } from '#guest/image/build.js';
import { chooseAccelerator } from '#machinery/adapters/qemu/accelerator.js';
import { defaultMachines, qemuMachinery } from '#machinery/adapters/qemu/qemu.js';
import { reapOrphans } from '#machinery/adapters/qemu/record.js';
import { ensureTemplate, type TemplateWanted } from '#machinery/adapters/qemu/template.js';
import { defaultMachineCount } from '#machinery/sizing.js';
import { Cleanup } from '../../cleanup.js';
import { availableMemoryMb } from '../memory.js';
import { guestAuthority, Networks } from '../networks.js';
import { openOwnQemuLab } from './own-qemu.js';
import { prefixed, type MachineLab, type MachineLabOptions } from './machine-lab.js';

/**
 * What QEMU runs: the machines that qemu.conf describes, else the default guest, which is built when it is missing, each
 * machine in a userspace network of its own.
 */
export async function openQemuLab(options: MachineLabOptions, signal: AbortSignal): Promise<MachineLab> {
  const { home, settings, runDir, log } = options;
  await using cleanup = new Cleanup((error) => log('error', `while closing the lab: ${reason(error)}`));
  await mkdir(runDir, { recursive: true });
  await openTo(home.dir, runDir);
  for (const orphan of await reapOrphans(runDir)) log('warn', `ended what a killed worker left: ${orphan}`);
  if (settings.qemu.machines.length > 0) return await openOwnQemuLab(options, signal);

  const ca = await guestAuthority(home.guests);
  const networks = cleanup.use(new Networks(runDir, ca));
  const agent = (machine: string) => new AgentClient((by) => networks.dialAgent(machine, by));
  const template = await prepareGuest(options, { networks, agent, caCertificate: ca.certificate }, signal);
  const count = await machineCount(options.machines ?? settings.qemu.guests, settings.qemu.memory);
  const machinery = cleanup.use(
    await qemuMachinery(
      {
        template,
        machines: prefixed(defaultMachines(count), options.namePrefix),
        runDir,
        wire: ({ name }) => networks.wire(name),
        // Answered once, a guest answers the next time without translating its code anew.
        warm: ({ name }, by) => agent(name).waitReady(by),
      },
      signal,
    ),
  );
  const owned = cleanup.move();
  return {
    machinery,
    openNetwork: (machine, task) => networks.openTask(machine, task),
    agent: (machine) => agent(machine.name),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Builds what is missing: the image, the choice of accelerator, the template. */
async function prepareGuest(
  { home, settings, runDir, onProgress }: MachineLabOptions,
  parts: {
    networks: Networks;
    agent: (machine: string) => AgentClient;
    caCertificate: string;
  },
  signal: AbortSignal,
) {
  const now = (line: string): void => onProgress(line, false);
  const image = await ensureImage({
    folder: home.guests,
    caCertificate: parts.caCertificate,
    onProgress: (line) => onProgress(`guest: ${line}`, true),
    signal,
  });
  const chosen = await chooseAccelerator({
    image,
    dir: home.guests,
    wanted: settings.qemu.accel,
    onProgress: now,
    signal,
  });
  onProgress(chosen.reason, true);
  const wanted: TemplateWanted = {
    image,
    dir: join(home.guests, 'templates'),
    runDir,
    memoryMb: settings.qemu.memory,
    accelerator: chosen.accelerator,
    wire: (machine) => parts.networks.wire(machine),
    waitReady: async (machine, by) => parts.agent(machine).waitReady(by),
    onProgress: (line) => onProgress(`guest: ${line}`, true),
  };
  return ensureTemplate(wanted, signal);
}

async function machineCount(wanted: number | 'auto', guestMb: number): Promise<number> {
  if (wanted !== 'auto') return wanted;
  return defaultMachineCount({
    memoryMb: await availableMemoryMb(),
    cores: availableParallelism(),
    guestMb,
  });
}

/** QEMU runs as another user when we are root, and must reach its sockets: these folders may be passed through, not listed. */
async function openTo(...folders: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) return;
  for (const folder of folders) await chmod(folder, 0o711);
}
