import type { Duplex } from 'node:stream';
import type { Fault } from '#domain/faults.js';

/** How one run of a scripted guest goes. */
export interface GuestPlan {
  readonly fault: Fault | null;
  /** From the start of the machine until the agent answers. */
  readonly bootMs: number;
  /** From the start of the analysis until the sample has ended. */
  readonly runMs: number;
}

/** Where the guest's connections to the result server arrive; `from` is the address they seem to come from. */
export type GuestWire = (stream: Duplex, from: string) => void;

export const UNEVENTFUL: GuestPlan = { fault: null, bootMs: 0, runMs: 0 };
