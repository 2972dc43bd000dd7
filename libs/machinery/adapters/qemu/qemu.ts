import type { Machine } from '#domain/machine.js';
import { qemuLifecycle, type QemuLifecycle } from './lifecycle.js';
import type { Template } from './parts.js';
import { openTemplate } from './restore.js';

export interface QemuSetup {
  readonly template: Template;
  readonly machines: readonly Machine[];
  /** Holds records and work folders while machines run; see reapOrphans(). */
  readonly runDir: string;
  /** Wires a machine about to be restored: the unix socket its network card connects to. */
  readonly wire: (machine: Machine) => Promise<string>;
  /**
   * Asks a restored guest for something and resolves with its answer. An emulated processor translates code when it
   * first runs it, once per QEMU: a prepared machine that has answered before it was paused answers its task two to
   * three times sooner. Not used under KVM, which translates nothing.
   */
  readonly warm?: (machine: Machine, signal: AbortSignal) => Promise<unknown>;
}

/** Equal machines for one template: names `linux1`, `linux2`… */
export function defaultMachines(count: number): readonly Machine[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `linux${index + 1}`,
    label: `linux${index + 1}`,
    platform: 'linux',
    tags: ['x64'],
    ip: '10.0.2.15',
    resultServer: { ip: '10.0.2.2', port: 2042 },
    arch: 'x64',
    reserved: false,
    snapshot: null,
  }));
}

/**
 * One fresh, unprivileged QEMU per analysis, restored from a template in ~60 ms and thrown away afterwards.
 * Machines share nothing that one of them could change.
 *
 * @throws TEMPLATE_FAILED when the template's files are not what was saved
 */
export async function qemuMachinery(
  { template, machines, runDir, wire, warm }: QemuSetup,
  signal: AbortSignal,
): Promise<QemuLifecycle> {
  const source = await openTemplate(template, signal);
  const lifecycle = qemuLifecycle({
    machines,
    clone: async (machine, by) =>
      source.clone({ machine: machine.name, runDir, wire: await wire(machine) }, by),
    warm: template.hardware.accelerator === 'kvm' ? null : (warm ?? null),
    ramBytes: () => template.hardware.memoryMb << 20,
  });
  return {
    ...lifecycle,
    async [Symbol.asyncDispose]() {
      await lifecycle[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    },
  };
}
