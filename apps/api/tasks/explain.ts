import type { MachineState } from '#domain/machine.js';
import { TERMINAL, type TaskStatus } from '#domain/task.js';
import type { LanePlace } from '#queue/lane-queue.js';

/** A machine that could run the task, if all were well. */
export interface Candidate {
  readonly name: string;
  readonly state: MachineState;
  /** Of a quarantined one, or of one that has no worker. */
  readonly reason: string | null;
  readonly nextTest: Date | null;
  /** Null: its worker has ended. */
  readonly worker: { readonly name: string; readonly paused: string | null } | null;
}

/** All that a task may wait for. */
export interface Facts {
  readonly status: TaskStatus;
  /** How its last run ended; null until one did. */
  readonly outcome: string | null;
  /** Runs begun and not handed back, and how many there may be. */
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly lastError: string | null;
  /** Name of the machine it runs on, as far as known. */
  readonly machine: string | null;
  /** Machines of the lab that have a worker. */
  readonly alive: number;
  /** Those it could run on, with a worker or without. */
  readonly candidates: readonly Candidate[];
  /** Seconds that a task waits for a machine that is not there. */
  readonly patience: number;
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
  'no_worker',
  'machines_disabled',
  'machines_quarantined',
  'workers_paused',
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

/** Machines and workers that one message names. */
const MOST_NAMED = 5;

/** What the task waits for: the first thing that would hold it up even if all that follows were in order. */
export function explain(facts: Facts): Explanation {
  const { status } = facts;
  if (status === 'running') return because('running', `It runs on ${facts.machine ?? 'a machine'}.`);
  if (status === 'completed')
    return because('processing', 'Its analysis is done; its report is being written.');
  if (TERMINAL.includes(status)) return because('ended', ended(facts));
  return noQueue(facts) ?? noMachine(facts) ?? noTurn(facts) ?? noWorkingMachine(facts) ?? waiting(facts);
}

function noQueue({ place }: Facts): Explanation | null {
  if (place !== null) return null;
  const message = 'Redis does not answer; the task is stored and is queued when it does.';
  return because('queue_unavailable', message);
}

function noMachine({ alive, candidates, patience, disk }: Facts): Explanation | null {
  if (alive === 0) return because('no_machine', 'There is no machine: no worker is running.');
  if (candidates.length === 0) {
    const end =
      patience === 0 ? 'within seconds' : `unless one is there ${patience} s after it was submitted`;
    const asks = 'No machine has the name, platform, architecture or tags it asks for';
    const message = `${asks}: it fails ${end}; see GET /machines/list.`;
    return because('no_matching_machine', message);
  }
  if (candidates.every(({ worker }) => worker === null))
    return because('no_worker', `The worker of every machine that fits has ended: ${names(candidates)}.`);
  return disk === null ? null : because('disk_full', disk);
}

function noTurn({ place, attempts, maxAttempts, lastError }: Facts): Explanation | null {
  if (place?.state === 'none')
    return because('not_queued', 'Its place in the queue was lost; it gets one within a minute.');
  if (place?.state !== 'delayed') return null;
  if (attempts === 0) return because('retrying', 'It could not begin; it is tried again in a few seconds.');
  const why = lastError === null ? '' : ` The last one failed: ${lastError}`;
  return because('retrying', `Attempt ${attempts + 1} of ${maxAttempts} follows in a few seconds.${why}`);
}

function noWorkingMachine({ candidates }: Facts): Explanation | null {
  const manned = candidates.filter(({ worker }) => worker !== null);
  const fit = manned.filter(({ state }) => state !== 'disabled' && state !== 'quarantined');
  if (fit.length === 0) {
    const reason = manned.some(({ state }) => state === 'quarantined')
      ? 'machines_quarantined'
      : 'machines_disabled';
    return because(reason, `No machine that fits can be used: ${some(manned.map(outOfUse))}.`);
  }
  const paused = fit.flatMap(({ worker }) => (worker?.paused == null ? [] : [worker]));
  if (paused.length < fit.length) return null;
  const whys = [...new Set(paused.map(({ name, paused: why }) => `${name}: ${why ?? ''}`))];
  return because('workers_paused', `No worker with a machine that fits takes tasks now. ${some(whys)}.`);
}

function outOfUse({ name, state, reason, nextTest }: Candidate): string {
  if (state === 'disabled') return `${name} is disabled`;
  const next = nextTest === null ? '' : `, tested again at ${nextTest.toISOString()}`;
  return `${name} is quarantined (${reason ?? 'it failed'}${next})`;
}

function waiting({ candidates, place, runSeconds }: Facts): Explanation {
  const ahead = place?.state === 'waiting' ? place.ahead : 0;
  const usable = usableOf(candidates);
  const estimate = estimateStart(ahead, usable, runSeconds);
  if (ahead > 0) {
    const tasks = ahead === 1 ? '1 task is' : `${ahead} tasks are`;
    return { reason: 'ahead_in_lane', message: `${tasks} ahead of it in its lane.`, ahead, estimate };
  }
  const restoring = candidates.some(({ state }) => state === 'restoring');
  const machines =
    usable.free > 0
      ? 'a machine is free for it'
      : restoring
        ? 'a machine is being made ready'
        : 'every machine that fits is in use';
  const message = `It is the next; ${machines}.`;
  return { reason: 'waiting_for_machine', message, ahead, estimate };
}

/** `matching` could run it, of which `free` are not in use. */
export function usableOf(candidates: readonly Candidate[]): {
  readonly matching: number;
  readonly free: number;
} {
  const manned = candidates.filter(({ worker }) => worker !== null);
  const free = manned.filter(({ state }) => state === 'ready' || state === 'free');
  return { matching: manned.length, free: free.length };
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

function ended({ status, outcome, attempts, lastError }: Facts): string {
  const how = outcome === null || outcome === 'completed' ? '' : ` (${outcome})`;
  const often = attempts > 1 ? ` after ${attempts} attempts` : '';
  const why = status.startsWith('failed') && lastError !== null ? `: ${lastError}` : '.';
  return `It has ended${often}: it is ${status}${how}${why}`;
}

function names(candidates: readonly Candidate[]): string {
  return some(candidates.map(({ name }) => name));
}

function some(all: readonly string[]): string {
  const more = all.length > MOST_NAMED ? `; and ${all.length - MOST_NAMED} more` : '';
  return `${all.slice(0, MOST_NAMED).join('; ')}${more}`;
}

function because(reason: Reason, message: string): Explanation {
  return { reason, message, ahead: null, estimate: null };
}
