import type { Machine, PowerState } from '#domain/machine.js';

/**
 * One kind of virtualization: QEMU, libvirt, VirtualBox…
 *
 * Callers promise one call at a time per machine. Implementations promise that
 * when a method resolves, the state it names holds; when `signal` aborts they
 * reject with its reason and leave the machine safe to `stop`. Opening one only looks: what its machines run may be
 * another's until they are first stopped, prepared or started.
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

  /**
   * Restores the machine in place while it still runs, and leaves it paused, as `prepare` does: faster, but what holds it
   * stays the same process. Absent when the hypervisor cannot, or its operator does not want it.
   *
   * @throws MACHINE_START_FAILED; it must be stopped then
   */
  recycle?(machine: Machine, signal: AbortSignal): Promise<void>;

  /** Powers off without ceremony. MUST succeed on a machine that is already off. @throws MACHINE_STOP_FAILED */
  stop(machine: Machine, signal: AbortSignal): Promise<void>;

  state(machine: Machine): Promise<PowerState>;

  /**
   * Aborts with a GUEST_LOST when the machine, once started, goes away by itself: its process ended, its
   * kernel panicked; with a code that may be tried again when its host failed it. Stopping it is not losing it.
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
   * finished; the file is at `path` then. Absent when the hypervisor cannot.
   *
   * @throws CAPTURE_FAILED
   */
  capture?(machine: Machine, path: string, signal: AbortSignal): Promise<MachineCapture>;
}

/** Packets being written to a file. Disposing of it finishes it, but says nothing of what went wrong. */
export interface MachineCapture extends AsyncDisposable {
  /**
   * Resolves when the file is whole. `omitted`: so many packets are missing in it for its size, or more.
   *
   * @throws CAPTURE_FAILED when it is lost
   */
  finish(): Promise<{ readonly omitted: number }>;
}
