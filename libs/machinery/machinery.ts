import type { Machine, PowerState } from '#domain/machine.js';

/**
 * One kind of virtualization: QEMU, libvirt, VirtualBox…
 *
 * Callers promise one call at a time per machine. Implementations promise that
 * when a method resolves, the state it names holds; when `signal` aborts they
 * reject with its reason and leave the machine safe to `stop`.
 */
export interface Machinery {
  readonly kind: string;
  readonly machines: readonly Machine[];

  /**
   * Restores the machine's snapshot and leaves it paused, so that `start` only resumes it.
   * A machinery that cannot hold a restored machine does nothing here.
   *
   * @throws MACHINE_START_FAILED
   */
  prepare(machine: Machine, signal: AbortSignal): Promise<void>;

  /** Runs the machine from its snapshot: resumes a prepared one, restores it first otherwise. @throws MACHINE_START_FAILED */
  start(machine: Machine, signal: AbortSignal): Promise<void>;

  /** Powers off without ceremony. MUST succeed on a machine that is already off. @throws MACHINE_STOP_FAILED */
  stop(machine: Machine, signal: AbortSignal): Promise<void>;

  state(machine: Machine): Promise<PowerState>;

  /**
   * Aborts with a GUEST_LOST when the machine, once started, goes away by itself: its process ended, its
   * kernel panicked. Stopping it is not losing it.
   */
  lost(machine: Machine): AbortSignal;

  /** The screen now, as PPM (P6) or PNG. Absent when the hypervisor cannot. */
  screenshot?(machine: Machine, signal: AbortSignal): Promise<Buffer>;

  /**
   * Writes all of the guest's RAM to `path`, a file for our eyes only; none is there after a failure. Absent when the
   * hypervisor cannot.
   *
   * @throws NO_DISK_SPACE, or whatever went wrong
   */
  dumpMemory?(machine: Machine, path: string, signal: AbortSignal): Promise<void>;

  /**
   * The hypervisor itself writes the packets of the machine in pcap format, from now or from its next start on, until
   * disposed of; the file is at `path` then. Absent when the hypervisor cannot.
   *
   * @throws CAPTURE_FAILED
   */
  capture?(machine: Machine, path: string, signal: AbortSignal): Promise<AsyncDisposable>;
}
