import type { Duplex } from 'node:stream';
import type { AgentClient } from '#guest/agent.js';
import type { Machine } from '#domain/machine.js';

/** The equipment `detonate` works with, as narrow as it can be: tests hand in fakes. */
export interface Lab {
  /** Receives what the guest uploads, from now on. */
  openResults(task: { id: number; dir: string; machine: Machine }): Promise<Results>;
  /** The guest's network for this task: default-drop until opened, captured from then on. @throws ROUTE_UNAVAILABLE */
  openNetwork(machine: Machine, task: NetworkTask): Promise<GuestNetwork>;
  agent(machine: Machine): AgentClient;
}

/** What takes the guest's evidence to disk. */
interface Evidence extends AsyncDisposable {
  /** Aborts with NO_DISK_SPACE or CAPTURE_FAILED when the host's disk does not take it. */
  readonly failed: AbortSignal;
  /** Ends it as disposing does, then throws when anything was not stored: evidence is whole, or the task failed. */
  finish(): Promise<void>;
}

export interface Results extends Evidence {
  accept(stream: Duplex): void;
}

export interface NetworkTask {
  readonly id: number;
  readonly dir: string;
  readonly route: string;
  readonly results: Results;
  /** Of the submission: a fake guest is told by them what to do wrong. */
  readonly options: string | null;
}

export interface GuestNetwork extends Evidence {
  /** What the guest can ask for the time answers by a clock so far ahead of ours. */
  setClock(aheadMs: number): void;
}
