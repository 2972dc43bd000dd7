import { SandboxError } from '#domain/errors.js';
import type { QemuProcess } from './process.js';
import type { QmpEvent } from './qmp.js';

export interface LossWatch {
  /** Aborts with GUEST_LOST when the machine's current run ends by itself. */
  signal(machine: string): AbortSignal;
  /** A lost run is over; who asked about the next one already keeps its signal. */
  renew(machine: string): void;
  /** A run begins. */
  watch(machine: string, qemu: QemuProcess): void;
  /** The run ends because we end it: its signal never aborts, the next run has a new one. */
  reset(machine: string): void;
}

export function lossWatch(): LossWatch {
  const runs = new Map<string, AbortController>();
  const current = (machine: string) => {
    const run = runs.get(machine) ?? new AbortController();
    runs.set(machine, run);
    return run;
  };
  return {
    signal: (machine) => current(machine).signal,
    reset: (machine) => void runs.delete(machine),
    renew(machine) {
      if (current(machine).signal.aborted) runs.delete(machine);
    },
    watch(machine, qemu) {
      const run = current(machine);
      const lose = (why: string) => {
        if (runs.get(machine) === run) run.abort(new SandboxError('GUEST_LOST', `${machine}: ${why}`));
      };
      qemu.qmp.onEvent((event) => {
        const why = endOf(event);
        if (why !== null) lose(why);
      });
      // A QEMU that breaks its own protocol, or hangs up, is no longer ours to steer.
      qemu.qmp.onClose((error) => {
        void qemu.endedSoon().then((ended) => lose(ended ?? error.message));
      });
    },
  };
}

/** Why this event means that the guest is over; null when it does not. */
function endOf({ event, data }: QmpEvent): string | null {
  if (event === 'GUEST_PANICKED') return 'its kernel panicked';
  if (event !== 'SHUTDOWN') return null;
  switch (data['reason']) {
    case 'guest-reset':
      return 'it rebooted, or its kernel panicked';
    case 'guest-shutdown':
      return 'it powered itself off';
    case 'guest-panic':
      return 'its kernel panicked';
    default:
      return 'its QEMU was told to end';
  }
}
