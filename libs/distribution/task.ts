import type { Requirements } from '#domain/machine.js';

/**
 * Where a distributed task is. Each is committed before what it announces is begun, and the next one after it is done:
 *
 * - `pending`: no node has it
 * - `assigned`: a node is chosen; nothing was sent
 * - `sending`: it is, or may be, on its way to the node
 * - `processing`: the node has it, by the id `remoteId`
 * - `fetching`: the node has its report; it is brought here
 * - `finished`: every wanted report is here
 * - `failed`: it has ended without, `reason` says why
 * - `deleted`: somebody deleted it; its row stays
 */
export const DIST_STATES = [
  'pending',
  'assigned',
  'sending',
  'processing',
  'fetching',
  'finished',
  'failed',
  'deleted',
] as const;
export type DistState = (typeof DIST_STATES)[number];

/** Nothing leaves these but by deletion. */
export const DIST_ENDED: readonly DistState[] = ['finished', 'failed', 'deleted'];

/** States in which a task takes up room on its node. */
export const ON_NODE: readonly DistState[] = ['assigned', 'sending', 'processing', 'fetching'];

/**
 * `sending → pending` and `processing → pending`: the node certainly does not have it, or is given up; the next node, or
 * the same once more, gets it.
 */
const NEXT = {
  pending: ['assigned', 'failed', 'deleted'],
  assigned: ['sending', 'pending', 'failed', 'deleted'],
  sending: ['processing', 'pending', 'failed', 'deleted'],
  processing: ['fetching', 'pending', 'failed', 'deleted'],
  fetching: ['finished', 'processing', 'pending', 'failed', 'deleted'],
  finished: ['deleted'],
  failed: ['deleted'],
  deleted: [],
} as const satisfies Record<DistState, readonly DistState[]>;

export function mayMove(from: DistState, to: DistState): boolean {
  return (NEXT[from] as readonly DistState[]).includes(to);
}

/** The words of Cuckoo 2.0.7's API, and `failed`, which it did not have. */
export const PUBLIC_STATUSES = [
  'pending',
  'assigned',
  'processing',
  'finished',
  'failed',
  'deleted',
] as const;
export type PublicStatus = (typeof PUBLIC_STATUSES)[number];

/** A task that waits for the one node it was submitted for counts as assigned to it. */
export function publicStatus(state: DistState, pinned: boolean): PublicStatus {
  if (state === 'pending') return pinned ? 'assigned' : 'pending';
  if (state === 'sending') return 'assigned';
  return state === 'fetching' ? 'processing' : state;
}

/** What is handed on to a node, unchanged. */
export interface DistSubmission extends Requirements {
  readonly category: 'file' | 'url';
  /** The URL, or the base name of the file. */
  readonly target: string;
  /** Of the file; null for a URL. Its bytes are in the samples folder by this name. */
  readonly sha256: string | null;
  readonly package: string | null;
  /** Seconds; 0 = the node's default. */
  readonly timeout: number;
  readonly priority: number;
  readonly options: string | null;
  readonly custom: string | null;
  readonly owner: string | null;
  readonly memory: boolean;
  readonly enforceTimeout: boolean;
  readonly clock: Date | null;
}
