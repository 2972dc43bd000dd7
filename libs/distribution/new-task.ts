import { createHash, randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import type { Requirements } from '#domain/machine.js';
import { SandboxError } from '#domain/errors.js';
import { DistTaskRow } from './entities/dist-task.entity.js';
import { holdNode } from './held-node.js';
import type { DistSubmission } from './task.js';

/** Characters of a lane that is its own name; an index of PostgreSQL takes 2700 bytes. */
const LANE_LENGTH = 200;

export function newMark(): string {
  return `dist:${randomUUID().replaceAll('-', '')}`;
}

/** A named machine wins: the rest is then not looked at, see `serves` of #domain/machine.js. */
export function laneOf({ machine, platform, arch, tags }: Requirements, nodeId: number | null): string {
  const needs =
    machine === null ? { node: nodeId, platform, arch, tags: tags.toSorted() } : { node: nodeId, machine };
  const given = Object.entries(needs).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
  );
  const lane = JSON.stringify(Object.fromEntries(given));
  return lane.length <= LANE_LENGTH ? lane : createHash('sha256').update(lane).digest('hex');
}

/** One step of priority is worth `ageingMs` of waiting. */
export function rankOf(submittedOn: Date, priority: number, ageingMs: number): number {
  const rank = submittedOn.getTime() - priority * ageingMs;
  return Math.min(Math.max(rank, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

/** Inside a transaction. @throws BAD_REQUEST when the node it is pinned to was removed meanwhile */
export async function insertDistTask(
  db: EntityManager,
  submission: DistSubmission,
  { nodeId, ageingMs }: { readonly nodeId: number | null; readonly ageingMs: number },
): Promise<DistTaskRow> {
  const submittedOn = new Date();
  const row = Object.assign(new DistTaskRow(), {
    ...submission,
    mark: newMark(),
    state: 'pending' as const,
    epoch: 0,
    lane: laneOf(submission, nodeId),
    rank: rankOf(submittedOn, submission.priority, ageingMs),
    pinned: nodeId !== null,
    nodeId,
    remoteId: null,
    remains: false,
    attempts: 0,
    avoid: [],
    sentOn: null,
    reason: null,
    submittedOn,
    delegatedOn: null,
    startedOn: null,
    completedOn: null,
  });
  // The insert is the first thing: a SQLite transaction that begins with a read may not become a writer.
  const { identifiers } = await db.insert(DistTaskRow, row);
  row.id = (identifiers[0] as { id: number }).id;
  if (nodeId !== null && !(await holdNode(db, nodeId)))
    throw new SandboxError('BAD_REQUEST', `node ${nodeId} was removed meanwhile`);
  return row;
}
