import type { ErrorCode } from '#domain/errors.js';
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

/** How a run ended, and whether that is the guest's doing or its host's. */
export interface End {
  readonly code: Extract<ErrorCode, 'GUEST_LOST' | 'NO_DISK_SPACE'>;
  readonly why: string;
}

/** How a guest in this state, which was started, is over; null when it is not. */
export function endOf({ state, reason }: DomainState): End | null {
  if (state === 'paused' && reason === PAUSED_BY_DISK_ERROR) {
    const why = "it stands still: its disk cannot be written (is the hypervisor's file system full?)";
    return { code: 'NO_DISK_SPACE', why };
  }
  const why = state === 'crashed' ? 'its kernel panicked' : state === 'off' ? whyOff(reason) : null;
  return why === null ? null : { code: 'GUEST_LOST', why };
}

function whyOff(reason: number): string {
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
