import type { Dialect } from '#nodes/dialect.js';
import type { NodeMachine } from '#nodes/node.js';
import type { EventFeed } from './event-feed.js';
import type { Lab } from './lab.js';
import type { Knobs, NodeTask } from './options.js';

/** What the routes of every dialect work on. */
export interface World {
  readonly dialect: Dialect;
  readonly lab: Lab;
  readonly machines: readonly NodeMachine[];
  readonly knobs: Knobs;
  readonly events: EventFeed;
  /** Bytes that a JSON report has at least. */
  readonly reportBytes: number;
  /** By Idempotency-Key: what was asked for, and the task it became. */
  readonly keys: Map<string, { readonly fingerprint: string; readonly id: number }>;
}

export const FAILED_OR_REPORTED = /^(failed_|reported|recovered|banned)/;

/** The task that the last segment of a path names. */
export function taskAt({ lab }: World, text = ''): NodeTask | null {
  return lab.tasks.get(Number(text)) ?? null;
}

/** Those that are not completed first, then in the order of their completion. */
export function byCompletion(tasks: Iterable<NodeTask>): NodeTask[] {
  const time = ({ completedOn }: NodeTask) => completedOn?.getTime() ?? 0;
  return [...tasks].sort((a, b) => time(a) - time(b) || a.id - b.id);
}
