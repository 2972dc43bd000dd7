/** The computer that QEMU plays for an architecture: Cuckoo's, so that its images and their snapshots work as they are. */
export interface Board {
  readonly program: string;
  readonly debianPackage: string;
  /** QEMU's name of it. */
  readonly machine: string;
  /** MiB, when the machine's section does not say. */
  readonly memory: number;
  /** QEMU's name of its RAM; null = it cannot be a mapped file, so templates are loaded with `snapshot-load`. */
  readonly ram: string | null;
  /** Files in the folder of the image, when the section names none; null = it starts from its disk. */
  readonly kernel: string | null;
  readonly initrd: string | null;
  /** Command line of a kernel that is booted directly. */
  readonly append: string;
  /** Its processor without KVM; null = the board's usual one. */
  readonly cpu: string | null;
  /** How the disk is attached, words of `-drive`. */
  readonly drive: string;
  /** Words of its network card, the hardware address to be added. */
  readonly nic: { readonly option: '-net' | '-device'; readonly words: string; readonly mac: string };
  /** Its firmware when it starts from its disk, and the package that has it; null = QEMU brings it. */
  readonly firmware: { readonly path: string; readonly debianPackage: string } | null;
  readonly extra: readonly string[];
  /** Does it take virtio devices? */
  readonly hasVirtio: boolean;
}

const LEGACY_NIC = { option: '-net', words: 'nic,netdev=net', mac: 'macaddr' } as const;
const DISK = 'index=0,media=disk';

const PC = {
  ...{ debianPackage: 'qemu-system-x86', machine: 'pc', memory: 1024, ram: 'pc.ram' },
  ...{ kernel: null, initrd: null, append: 'root=/dev/sda1 console=ttyS0', cpu: null },
  ...{ drive: DISK, nic: LEGACY_NIC, firmware: null, extra: [], hasVirtio: true },
} as const;

const PCI_NIC = { option: '-device', words: 'e1000,netdev=net', mac: 'mac' } as const;

const MALTA = {
  ...{ debianPackage: 'qemu-system-mips', machine: 'malta', memory: 512, ram: 'mips_malta.ram' },
  ...{ initrd: null, append: 'root=/dev/sda1 console=tty0', cpu: null, drive: DISK, firmware: null },
  ...{ nic: PCI_NIC, extra: [], hasVirtio: false },
} as const;

const VIRT = {
  ...{ program: 'qemu-system-aarch64', debianPackage: 'qemu-system-arm', machine: 'virt' },
  ...{ memory: 512, ram: 'mach-virt.ram', kernel: null, initrd: null },
  ...{ append: 'root=/dev/vda1 console=ttyAMA0', cpu: 'cortex-a57', drive: DISK },
  nic: { option: '-device', words: 'virtio-net-pci,netdev=net,romfile=', mac: 'mac' },
  firmware: { path: '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd', debianPackage: 'qemu-efi-aarch64' },
  ...{ extra: ['-device', 'virtio-gpu-pci'], hasVirtio: true },
} as const;

/** By the words of `arch`. */
const BOARDS = {
  x64: { ...PC, program: 'qemu-system-x86_64' },
  x86: { ...PC, program: 'qemu-system-i386' },
  arm: {
    ...{ program: 'qemu-system-arm', debianPackage: 'qemu-system-arm', machine: 'versatilepb' },
    ...{ memory: 256, ram: 'versatile.ram', cpu: null, drive: DISK, nic: LEGACY_NIC, firmware: null },
    ...{ kernel: 'vmlinuz-3.2.0-4-versatile-arm', initrd: 'initrd-3.2.0-4-versatile-arm' },
    ...{ append: 'root=/dev/sda1', extra: [], hasVirtio: false },
  },
  armwrt: {
    ...{ program: 'qemu-system-arm', debianPackage: 'qemu-system-arm', machine: 'realview-eb-mpcore' },
    ...{ memory: 512, ram: null, cpu: null, drive: 'if=sd', nic: LEGACY_NIC, firmware: null },
    ...{ kernel: 'openwrt-realview-vmlinux.elf', initrd: null },
    ...{ append: 'console=ttyAMA0 root=/dev/mmcblk0 rootwait', extra: [], hasVirtio: false },
  },
  arm64: VIRT,
  aarch64: VIRT,
  mips: { ...MALTA, program: 'qemu-system-mips', kernel: 'vmlinux-3.2.0-4-4kc-malta-mips' },
  mipsel: { ...MALTA, program: 'qemu-system-mipsel', kernel: 'vmlinux-3.2.0-4-4kc-malta-mipsel' },
} as const satisfies Record<string, Board>;

export const ARCHITECTURES: readonly string[] = Object.keys(BOARDS);

/** Null for an architecture that we have no board for. */
export function boardOf(arch: string): Board | null {
  return Object.hasOwn(BOARDS, arch) ? BOARDS[arch as keyof typeof BOARDS] : null;
}
