/**
 * How guest memory comes back:
 * - `mapped`: the template's RAM file is mapped copy-on-write and only the device state is loaded (~60 ms, any RAM size)
 * - `loadvm`: RAM and devices are loaded from a snapshot inside a qcow2 file (0.2–2 s, grows with RAM); the fallback
 */
export type TemplateForm = 'mapped' | 'loadvm';

export type Accelerator = 'kvm' | 'tcg';

/**
 * Descriptors every QEMU is born with. Nothing is opened by name, so that an unprivileged QEMU needs no right to
 * any folder, and no socket lies in the file system for another process to find.
 */
export const FD = {
  qmp: 3,
  migration: 4,
  serial: 5,
  net: 6,
  kernel: 7,
  initrd: 8,
  root: 9,
  memory: 10,
} as const;

/** Name of the snapshot inside a `loadvm` template. */
export const SNAPSHOT = 'malkoha';

export interface GuestHardware {
  readonly accelerator: Accelerator;
  readonly memoryMb: number;
  /** Kernel command line. */
  readonly cmdline: string;
}

/**
 * - `template`: boots, to be saved
 * - `clone`: waits, paused, for a template's state; everything the guest can see is as in `template`
 */
export interface Purpose {
  readonly kind: 'template' | 'clone';
  readonly form: TemplateForm;
}

/** Without these QEMU could start programs or gain rights after a guest broke out into it. */
export const SANDBOX = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

/** The userspace network reads whole packets with valid checksums, so nothing is left for a network card to do. */
const NO_OFFLOADS = [
  ...['csum', 'gso', 'guest_csum', 'guest_tso4', 'guest_tso6', 'guest_ecn', 'guest_ufo'],
  ...['host_tso4', 'host_tso6', 'host_ecn', 'host_ufo', 'ctrl_guest_offloads'],
]
  .map((offload) => `${offload}=off`)
  .join(',');

/** x86-64-v2, what today's distributions and their samples are built for; TCG emulates all of it. */
const TCG_CPU = 'qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt';

/**
 * What the guest sees. Template and clones must agree on every word of it: device state only loads into the same
 * machine. Part of a template's key.
 */
export function hardwareArgs({ accelerator, memoryMb, cmdline }: GuestHardware): readonly string[] {
  return [
    ...['-nodefaults', '-no-user-config'],
    ...['-machine', `pc,accel=${accelerator},memory-backend=ram`],
    ...['-cpu', accelerator === 'kvm' ? 'host' : TCG_CPU],
    ...['-smp', '1', '-m', `${memoryMb}M`],
    ...['-display', 'none', '-vga', 'std'],
    ...['-kernel', path('kernel'), '-initrd', path('initrd'), '-append', cmdline],
    ...['-add-fd', `fd=${FD.root},set=1`],
    ...['-drive', 'if=none,id=root,file=/dev/fdset/1,format=raw,readonly=on,file.locking=off'],
    ...['-device', 'virtio-blk-pci,drive=root'],
    // The same length-prefixed frames as `-netdev stream`, and in QEMU long before 7.2.
    ...['-netdev', `socket,id=net,fd=${FD.net}`],
    ...['-device', `virtio-net-pci,netdev=net,mac=52:54:00:12:34:56,romfile=,${NO_OFFLOADS}`],
    ...['-object', 'rng-builtin,id=rng', '-device', 'virtio-rng-pci,rng=rng'],
    ...['-chardev', `socket,id=serial,fd=${FD.serial}`, '-device', 'isa-serial,chardev=serial'],
    // A guest that panics, resets or powers off ends its QEMU: that is how losing it is noticed.
    ...['-device', 'pvpanic', '-action', 'panic=shutdown,reboot=shutdown,shutdown=poweroff'],
  ];
}

/** The whole command line of one QEMU, without the program itself. */
export function qemuArgs(hardware: GuestHardware, purpose: Purpose): readonly string[] {
  return [
    ...hardwareArgs(hardware),
    ...['-chardev', `socket,id=qmp,fd=${FD.qmp}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-sandbox', SANDBOX],
    ...memoryArgs(hardware.memoryMb, purpose),
  ];
}

function memoryArgs(memoryMb: number, { kind, form }: Purpose): readonly string[] {
  if (form === 'mapped') {
    const share = kind === 'template' ? 'on' : 'off';
    return [
      ...[
        '-object',
        `memory-backend-file,id=ram,size=${memoryMb}M,mem-path=${path('memory')},share=${share}`,
      ],
      ...(kind === 'clone' ? ['-S', '-incoming', 'defer'] : []),
    ];
  }
  const snapshot = `if=none,id=vmstate,file=${path('memory')},format=qcow2,cache=unsafe,file.locking=off`;
  return [
    ...['-object', `memory-backend-ram,id=ram,size=${memoryMb}M`],
    // A template makes its qcow2 over QMP once the guest is ready.
    ...(kind === 'clone' ? ['-drive', snapshot, '-S', '-loadvm', SNAPSHOT] : []),
  ];
}

/** Kernel, initrd and memory are opened by calls that know no /dev/fdset. */
export function path(file: 'kernel' | 'initrd' | 'memory'): string {
  return `/proc/self/fd/${FD[file]}`;
}
