import type { PowerState } from '#domain/machine.js';
import type { DomainState } from '#libvirt/libvirt.js';

/** libvirt's reasons: https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainPausedReason and its neighbours. */
const PAUSED_BY_DISK_ERROR = 5;
const OFF = { shutdown: 1, destroyed: 2, crashed: 3 } as const;

export function powerOf({ state }: DomainState): PowerState {
  switch (state) {
    case 'running':
    case 'blocked':
    case 'shutdown': // it is about to be off, and not yet
      return 'running';
    case 'paused':
      return 'paused';
    case 'off':
      return 'off';
    case 'crashed':
    case 'pmsuspended':
    case 'nostate':
      return 'error';
  }
}

/** Why a guest in this state, which was started, is over; null when it is not. */
export function endOf({ state, reason }: DomainState): string | null {
  if (state === 'crashed') return 'its kernel panicked';
  if (state === 'paused' && reason === PAUSED_BY_DISK_ERROR)
    return "it stands still: its disk cannot be written (is the hypervisor's file system full?)";
  if (state !== 'off') return null;
  switch (reason) {
    case OFF.shutdown:
      return 'it powered itself off';
    case OFF.destroyed:
      return 'it rebooted or panicked, or somebody destroyed it';
    case OFF.crashed:
      return 'its QEMU ended, or its kernel panicked';
    default:
      return 'it is off';
  }
}
