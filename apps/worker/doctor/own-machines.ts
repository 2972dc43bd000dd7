import type { MachineryName } from '#config/machineries.js';
import type { OwnMachine } from '#domain/machine.js';
import type { Configured } from './context.js';

/** Interfaces of qemu.conf that are none of the host. */
const USERSPACE: ReadonlySet<string> = new Set(['', 'malkoha', 'user']);

/** The machines of one's own that the configured machinery has, whatever runs them. */
export function ownMachines({
  machinery,
  settings,
}: Pick<Configured, 'machinery' | 'settings'>): readonly OwnMachine[] {
  return [
    ...(machinery.includes('qemu') ? settings.qemu.machines : []),
    ...(machinery.includes('kvm') ? settings.kvm.machines : []),
    ...(machinery.includes('virtualbox') ? settings.virtualbox.machines : []),
  ];
}

/** Those behind an interface of this host. */
export function machinesOnInterfaces(configured: Configured): readonly OwnMachine[] {
  const own = new Set<OwnMachine>(configured.settings.qemu.machines);
  return ownMachines(configured).filter((machine) =>
    isOnInterface(own.has(machine) ? 'qemu' : 'kvm', machine),
  );
}

export function isOnInterface(kind: MachineryName, machine: OwnMachine): boolean {
  return kind !== 'qemu' || !USERSPACE.has(machine.interface);
}

/** Every route but `none` that means `host` is set up by the rooter. */
export function needsRooter(configured: Configured): boolean {
  const { route, none } = configured.settings.routing;
  if (machinesOnInterfaces(configured).length === 0) return false;
  return !(route === 'none' && none === 'host');
}
