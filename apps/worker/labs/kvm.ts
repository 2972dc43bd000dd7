import { reason, SandboxError } from '#domain/errors.js';
import { LibvirtUriError } from '#libvirt/error.js';
import { Libvirt } from '#libvirt/libvirt.js';
import { parseLibvirtUri } from '#libvirt/uri.js';
import { libvirtMachinery, type LibvirtSetup } from '#machinery/adapters/libvirt/libvirt.js';
import { openSsh } from '#ssh/ssh.js';
import { Cleanup } from '../../cleanup.js';
import type { MachineLab, MachineLabOptions } from './machine-lab.js';
import { ownMachineLab } from './own-machines.js';
import { mustHaveMachines, ownParts } from './own-parts.js';

/** The operator's own domains under libvirt, on this host or another one. */
export async function openKvmLab(options: MachineLabOptions, signal: AbortSignal): Promise<MachineLab> {
  const { settings, log } = options;
  const { dsn, machines, loadvm } = settings.kvm;
  mustHaveMachines(options, 'kvm', machines);
  await using cleanup = new Cleanup((error) => log('error', `while closing the lab: ${reason(error)}`));
  const parts = await ownParts(options, cleanup);
  const libvirt = cleanup.use(await connect(options, signal));
  const machinery = await libvirtMachinery({ libvirt, machines, loadvm, files: filesOf(dsn) }, signal);
  const lab = cleanup.use(ownMachineLab(machinery, machines, parts));
  const owned = cleanup.move();
  return { ...lab, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

/** @throws CONFIG_INVALID for an address that is none, SETUP_MISSING when nobody answers there */
async function connect({ settings, home }: MachineLabOptions, signal: AbortSignal): Promise<Libvirt> {
  const { dsn } = settings.kvm;
  try {
    return await Libvirt.connect(dsn, sshAgent(), signal);
  } catch (cause) {
    signal.throwIfAborted();
    const wrong = cause instanceof LibvirtUriError;
    throw new SandboxError(
      wrong ? 'CONFIG_INVALID' : 'SETUP_MISSING',
      `[kvm] dsn = ${dsn} in ${home.conf}/kvm.conf: libvirt cannot be reached`,
      { cause },
    );
  }
}

/** Memory dumps are written where libvirtd runs. */
function filesOf(dsn: string): LibvirtSetup['files'] {
  const { address } = parseLibvirtUri(dsn, sshAgent());
  if (address.transport === 'unix') return 'here';
  if (address.transport !== 'ssh') return 'unreachable';
  const { target } = address;
  return { connect: (signal) => openSsh(target, signal) };
}

function sshAgent(): { agent?: string } {
  const agent = process.env['SSH_AUTH_SOCK'];
  return agent === undefined || agent === '' ? {} : { agent };
}
