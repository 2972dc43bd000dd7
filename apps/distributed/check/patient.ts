import type { NodeMachine, NodeClient, NodeLimits } from '#nodes/node.js';

import type { Verdict } from '../../verdict.js';

/** A node that is set up, or is about to be. */
export interface Candidate {
  readonly name: string;
  readonly url: string;
  readonly token: string | null;
  readonly dialect: string;
}

export interface CheckOptions {
  /** Have it analyse a harmless file, too. */
  readonly analysis: boolean;
  /** Seconds that this may take, from its submission to its report. */
  readonly timeoutS: number;
  /** Reports that are fetched of every task. */
  readonly formats: readonly string[];
  readonly pcap: boolean;
  readonly limits: NodeLimits;
  /** What is known of its machines here; null: it is not set up yet. */
  readonly machines: readonly KnownMachine[] | null;
}

export type KnownMachine = Pick<NodeMachine, 'name' | 'platform' | 'tags'>;

export interface Patient {
  readonly node: Candidate;
  readonly client: NodeClient;
  readonly options: CheckOptions;
}

export type Tell = (check: string, verdict: Verdict) => void;

/** Below the node's URL: what every dialect answers with its machines and tasks, cheaply. */
export function statusPath(dialect: string): string {
  return dialect === 'cape' ? 'cuckoo/status/' : 'cuckoo/status';
}
