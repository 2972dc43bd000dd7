import type { Duplex } from 'node:stream';
import type { Machine } from '#domain/machine.js';
import type { AgentClient } from '#guest/agent.js';
import type { Machinery } from '#machinery/machinery.js';

/** A guest on a network of this host. */
export interface Reach {
  readonly ip: string;
  readonly agentPort: number;
  readonly interface: string;
}

/** Milliseconds. */
export interface Patience {
  /** From the start of the machine until its agent's port is open; a system that boots takes a minute or two. */
  readonly bootMs: number;
  /** From then on until the agent answers. */
  readonly answerMs: number;
  /** From the order to connect to the result server until the guest's line is here; the guest gives up before. */
  readonly heardMs: number;
}

/** One machine, and all that it is looked at through. */
export interface Patient {
  readonly machine: Machine;
  readonly machinery: Machinery;
  readonly agent: AgentClient;
  /** Null: it is in a network of its own, which only its lab can reach. */
  readonly reach: Reach | null;
  /** Its section, for what is to be corrected: `[win7] in kvm.conf`. */
  readonly section: string;
  /** Its flags: `noagent`. */
  readonly options: readonly string[];
  /** What is set up around a guest for a task; `accept` gets what it sends to the result server, where that comes this way. */
  openNetwork(accept: (stream: Duplex) => void): Promise<AsyncDisposable>;
  /** Called once it has been stopped. */
  readonly stopped: () => void;
  /** Of [resultserver] in cuckoo.conf: listened at when the machine's own is no address of this host. */
  readonly resultServerIp: string;
  /** What to do when its agent has no analyzer; null: it has one, or one is brought along. */
  readonly missingAnalyzer: string | null;
  readonly patience: Patience;
  readonly now: () => number;
}
