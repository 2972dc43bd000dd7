import type { Duplex } from 'node:stream';
import type { AgentClient } from '#guest/agent.js';
import type { AnalyzerBundle } from '#guest/cuckoo-sequence.js';
import type { Machine } from '#domain/machine.js';

/** The equipment `detonate` works with, as narrow as it can be: tests hand in fakes. */
export interface Lab {
  /** Receives what the guest uploads, from now on. */
  openResults(task: { id: number; dir: string; machine: Machine }): Promise<Results>;
  /** The guest's network for this task: default-drop until opened, captured from then on. @throws ROUTE_UNAVAILABLE */
  openNetwork(machine: Machine, task: NetworkTask, signal: AbortSignal): Promise<GuestNetwork>;
  agent(machine: Machine): AgentClient;
  /** Absent, all guests are the default one. */
  guest?(machine: Machine): GuestKind;
}

/** What is known of a guest before its agent is asked. */
export interface GuestKind {
  /** It is the default guest, restored from its template: not asked what it can. */
  readonly known: boolean;
  /** The analyzer to bring along; null: its agent has one. */
  readonly bundle: AnalyzerBundle | null;
  /** What an operator should do when its agent has none. */
  readonly bring?: string;
  /** Of tasks that do not ask for one. */
  readonly route: string;
}

export const DEFAULT_GUEST: GuestKind = { known: true, bundle: null, route: 'inetsim' };

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
