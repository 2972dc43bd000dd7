import { FD, path, SANDBOX } from '../argv.js';
import { diskArgs, driveFile, type DiskDescriptors, type DiskGraph } from './disk.js';
import type { TemplateForm } from '../argv.js';
import type { OwnPlan } from './plan.js';

/** Descriptors beyond those of every QEMU. */
export const OWN_FD = { capture: 11, disks: 12 } as const;

/** Where a loadvm template's memory comes from, and QEMU's name for it. */
export const VM_STATE = 'vmstate';

/**
 * A snapshot taken behind QEMU's user network has a section for that, which only loads where there is one; one taken
 * behind a tap loads all the same. Removed before the template is saved: no section then.
 */
export const ORIGIN = 'origin';

export interface OwnPurpose {
  readonly form: TemplateForm;
  /**
   * - `boot`: starts as a computer does
   * - `snapshot`: goes to the image's own snapshot, and waits
   * - `clone`: waits, paused, for the template's state
   */
  readonly kind: 'boot' | 'snapshot' | 'clone';
}

/**
 * What the guest sees: a template's state only loads into the same. Defaults of the board are left as they are (its
 * floppy, its sound), because snapshots made by Cuckoo have them.
 */
export function ownHardwareArgs(plan: OwnPlan): readonly string[] {
  const { board, machine } = plan;
  // A board that names a processor for emulation has the host's under KVM; Cuckoo's have QEMU's default under both.
  const cpu = machine.cpu || (machine.enableKvm && board.cpu !== null ? 'host' : board.cpu);
  return [
    '-no-user-config',
    ...['-machine', `${board.machine},accel=${machine.enableKvm ? 'kvm' : 'tcg'}`],
    ...(cpu === null ? [] : ['-cpu', cpu]),
    ...['-m', `${plan.memory}M`, '-display', 'none', '-monitor', 'none'],
    ...kernelArgs(plan),
    ...nicArgs(plan),
    ...board.extra,
    ...['-chardev', `socket,id=serial,fd=${FD.serial}`, '-serial', 'chardev:serial'],
  ];
}

function kernelArgs({ kernel, initrd, append, firmware }: OwnPlan): readonly string[] {
  if (kernel === null) return firmware === null ? [] : ['-bios', firmware];
  return [
    ...['-kernel', path('kernel')],
    ...(initrd === null ? [] : ['-initrd', path('initrd')]),
    ...['-append', append],
  ];
}

function nicArgs({ board, mac, isVirtio }: OwnPlan): readonly string[] {
  if (isVirtio) return ['-device', `virtio-net-pci,netdev=net,mac=${mac}`];
  const { option, words, mac: key } = board.nic;
  return [option, `${words},${key}=${mac}`];
}

/**
 * QEMU's user network starts a program for each connection to the result server, and calls setsid() before it, which
 * `elevateprivileges` forbids. Neither gains a right: QEMU is nobody, and may become nobody else.
 */
const USER_SANDBOX = 'on,obsolete=deny,resourcecontrol=deny';

export interface OwnArgs {
  readonly plan: OwnPlan;
  readonly purpose: OwnPurpose;
  readonly graph: DiskGraph;
  readonly disks: DiskDescriptors;
  /** Value of `-netdev`. */
  readonly netdev: string;
}

/** The whole command line of one QEMU, without the program itself. */
export function ownArgs({ plan, purpose, graph, disks, netdev }: OwnArgs): readonly string[] {
  const drive = plan.isVirtio ? 'if=virtio,index=0,media=disk' : plan.board.drive;
  return [
    ...['-netdev', netdev],
    ...(purpose.kind === 'snapshot' ? ['-netdev', `user,id=${ORIGIN},restrict=on`] : []),
    ...ownHardwareArgs(plan),
    ...diskArgs(graph, disks),
    ...['-drive', `${drive},cache=unsafe,file=${driveFile(graph)}`],
    ...['-chardev', `socket,id=qmp,fd=${FD.qmp}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-sandbox', plan.network.kind === 'user' ? USER_SANDBOX : SANDBOX],
    ...memoryArgs(plan, purpose),
    ...(purpose.kind === 'boot' ? [] : ['-S']),
    ...(purpose.kind === 'snapshot' ? ['-loadvm', plan.machine.snapshot ?? ''] : []),
  ];
}

/** RAM has the name that the board gives it without us, so that snapshots of others load. */
function memoryArgs({ board, memory }: OwnPlan, { kind, form }: OwnPurpose): readonly string[] {
  if (form === 'mapped' && board.ram !== null) {
    const share = kind === 'clone' ? 'off' : 'on';
    const words = `size=${memory}M,mem-path=${path('memory')},share=${share}`;
    return [
      ...['-object', `memory-backend-file,id=${board.ram},${words},x-use-canonical-path-for-ramblock-id=off`],
      ...['-machine', `memory-backend=${board.ram}`],
      ...(kind === 'clone' ? ['-incoming', 'defer'] : []),
    ];
  }
  if (kind !== 'clone') return []; // it makes its qcow2 over QMP
  const file = { driver: 'file', 'node-name': `${VM_STATE}-file`, filename: path('memory'), locking: 'off' };
  const format = { driver: 'qcow2', 'node-name': VM_STATE, file: `${VM_STATE}-file` };
  return [file, format].flatMap((node) => ['-blockdev', JSON.stringify(node)]);
}
