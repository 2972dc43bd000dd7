import type { Machine, MachineState } from '#domain/machine.js';
import type { Machinery } from './machinery.js';

export interface MachineStatus {
  readonly machine: Machine;
  /** Machinery kind. */
  readonly manager: string;
  readonly state: MachineState;
  /** Why it is quarantined; null otherwise. */
  readonly reason: string | null;
  readonly since: Date;
  readonly retryAt: Date | null;
}

/** Exclusive use of one machine. Leaving scope powers it off, or restores it in place; it is then made ready again in the background. */
export interface MachineLease extends AsyncDisposable {
  readonly machine: Machine;
  readonly machinery: Machinery;
  /** @throws MACHINE_START_FAILED; the machine is then tested before anybody gets it again */
  start(signal: AbortSignal): Promise<void>;
  /** Aborts when the machine, once started, goes away by itself; see Machinery. */
  readonly lost: AbortSignal;
  /** The task failed and the machine may be why (its agent never answered): test it before its next use. */
  suspect(why: string): void;
}
