import type { Call, Evidence, Mark, Process, SignatureMatch } from '#domain/report.js';
import type { TechniqueId } from './attack.js';
import type { Condition } from './condition.js';

/** What a signature says about itself. */
export interface About {
  /** Unique; lower-case words joined by `_`. */
  readonly name: string;
  /** One sentence about what was seen, never about what it might mean. */
  readonly description: string;
  readonly severity: SignatureMatch['severity'];
  /** Malware families, only when the match names one. */
  readonly families?: readonly string[];
  readonly references?: readonly string[];
  /** The first decides the tactic the score files the match under. */
  readonly ttp?: readonly TechniqueId[];
}

/** Written in YAML (docs/signatures.md). */
export interface Rule extends About {
  readonly when: Condition;
}

/** A call and where it was made. `cid` is its index in `process.calls`. */
export interface SeenCall {
  readonly process: Process;
  readonly cid: number;
  readonly call: Call;
}

/** For what YAML cannot say: a default export in catalog/. Pure: the same evidence gives the same marks. */
export interface CodeSignature extends About {
  /** Calls it wants to see: collected for all signatures in one pass, handed over in order of time. */
  readonly apis?: readonly string[];
  /** Proof of the match, all of it; no marks means no match. */
  match(evidence: Evidence, calls: readonly SeenCall[]): readonly Mark[];
}

export type Signature = Rule | CodeSignature;
