import { TERMINAL, type TaskStatus } from '#domain/task.js';
import type { LanePlace } from '#queue/lane-queue.js';

/** All that a task may wait for. */
export interface Facts {
  readonly status: TaskStatus;
  /** Name of the machine it runs on, as far as known. */
  readonly machine: string | null;
  readonly machines: {
    /** Of workers that are not known to be gone. */
    readonly alive: number;
    readonly matching: number;
    readonly free: number;
  };
  /** Why there is too little room to begin; null when there is enough. */
  readonly disk: string | null;
  /** Null: the queue does not answer. Of a task that is not pending nothing is asked. */
  readonly place: LanePlace | null;
  /** Mean seconds of the last analyses; null: there were none. */
  readonly runSeconds: number | null;
}

export const REASONS = [
  'waiting_for_machine',
  'ahead_in_lane',
  'no_machine',
  'no_matching_machine',
  'disk_full',
  'queue_unavailable',
  'not_queued',
  'retrying',
  'running',
  'processing',
  'ended',
] as const;

export type Reason = (typeof REASONS)[number];

export interface Explanation {
  readonly reason: Reason;
  readonly message: string;
  /** Tasks of its lane that are taken before it; null when it does not wait in one. */
  readonly ahead: number | null;
  readonly estimate: { readonly start_in_seconds: number } | null;
}

/** What the task waits for: the first thing that would hold it up even if all that follows were in order. */
export function explain(facts: Facts): Explanation {
  const { status, machines, place } = facts;
  if (status === 'running') return because('running', `It runs on ${facts.machine ?? 'a machine'}.`);
  if (status === 'completed')
    return because('processing', 'Its analysis is done; its report is being written.');
  if (TERMINAL.includes(status)) return because('ended', `It has ended: it is ${status}.`);
  if (place === null) {
    return because(
      'queue_unavailable',
      'Redis does not answer; the task is stored and is queued when it does.',
    );
  }
  if (machines.alive === 0) return because('no_machine', 'There is no machine: no worker is running.');
  if (machines.matching === 0) {
    return because(
      'no_matching_machine',
      'No machine has the name, platform or tags it asks for; see GET /machines/list.',
    );
  }
  if (facts.disk !== null) return because('disk_full', facts.disk);
  if (place.state === 'none')
    return because('not_queued', 'Its place in the queue was lost; it gets one within a minute.');
  if (place.state === 'delayed')
    return because('retrying', 'It could not begin; it is tried again in a few seconds.');
  return waiting(facts, place.state === 'waiting' ? place.ahead : 0);
}

function waiting({ machines, runSeconds }: Facts, ahead: number): Explanation {
  const estimate = estimateStart(ahead, machines, runSeconds);
  if (ahead > 0) {
    const tasks = ahead === 1 ? '1 task is' : `${ahead} tasks are`;
    return { reason: 'ahead_in_lane', message: `${tasks} ahead of it in its lane.`, ahead, estimate };
  }
  const message =
    machines.free > 0
      ? 'It is the next; a machine is being made ready.'
      : 'It is the next; every machine that fits is in use.';
  return { reason: 'waiting_for_machine', message, ahead, estimate };
}

/** Machines that run for `runSeconds` each become free one after the other, evenly spread; null: nothing is known of that. */
export function estimateStart(
  ahead: number,
  { matching, free }: { readonly matching: number; readonly free: number },
  runSeconds: number | null,
): { readonly start_in_seconds: number } | null {
  const toBecomeFree = Math.max(0, ahead + 1 - free);
  if (toBecomeFree === 0) return { start_in_seconds: 0 };
  return runSeconds === null ? null : { start_in_seconds: Math.ceil((toBecomeFree * runSeconds) / matching) };
}

function because(reason: Reason, message: string): Explanation {
  return { reason, message, ahead: null, estimate: null };
}
