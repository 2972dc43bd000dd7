import { createHash } from 'node:crypto';
import type { OwnMachine } from '#domain/machine.js';

/** A machine that an operator made, which QEMU runs without libvirt: a section of qemu.conf. */
export interface OwnQemuMachine extends OwnMachine {
  /** Path of its disk, qcow2 or raw. */
  readonly image: string;
  /** Path of a kernel to boot directly, with placeholders; empty: the board's. */
  readonly kernel: string;
  /** Path of the initrd beside it, with placeholders; empty: the board's. */
  readonly initrd: string;
  /** Hardware address; empty: one made of the name. */
  readonly mac: string;
  /** MiB; 0: the board's. */
  readonly memory: number;
  readonly enableKvm: boolean;
  /** QEMU's word for the processor; empty: the board's. */
  readonly cpu: string;
  /** Kernel command line; empty or absent: the board's. */
  readonly append?: string;
}

/** The flag in `options` of a Linux guest with drivers for virtio: its disk and its network card are that. */
export const VIRTIO = 'virtio';

/** Stays the same for a name, so that a guest that ties its settings to its network card keeps them. */
export function macOf({ name, mac }: Pick<OwnQemuMachine, 'name' | 'mac'>): string {
  if (mac !== '') return mac.toLowerCase();
  const [a = 0, b = 0, c = 0] = createHash('sha256').update(name).digest();
  return ['52:54:00', ...[a, b, c].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** Where its network card leads; see `interface` in qemu.conf. */
export type Network =
  /** A userspace network of ours: the guest is its socket. */
  | { readonly kind: 'wire' }
  /** QEMU's own user-mode network. */
  | { readonly kind: 'user' }
  | { readonly kind: 'bridge'; readonly bridge: string; readonly tap: string };

export function networkOf(machine: Pick<OwnQemuMachine, 'name' | 'interface'>): Network {
  switch (machine.interface) {
    case '':
    case 'malkoha':
      return { kind: 'wire' };
    case 'user':
      return { kind: 'user' };
    default:
      return { kind: 'bridge', bridge: machine.interface, tap: `tap_${machine.name}` };
  }
}
