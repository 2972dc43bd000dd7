import type { DataSource, EntityManager, UpdateQueryBuilder } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity.js';
import { transaction, write } from '#storage/turns.js';
import { changedRows } from './changed-rows.js';
import { DistTaskQueries } from './dist-task-queries.js';
import { DistReportRow, DistTaskRow, RemovalRow } from './entities/dist-task.entity.js';
import { heldNode, holdNode } from './held-node.js';
import { insertDistTask, newMark } from './new-task.js';
import { DIST_STATES, mayMove, type DistState, type DistSubmission } from './task.js';

/** Proves which move of the task its holder knows: a later one, by anybody, makes it worthless. */
export interface Held {
  readonly id: number;
  readonly epoch: number;
}

export interface KeptReport {
  readonly format: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

export type DistChanges = Partial<
  Pick<
    DistTaskRow,
    | 'nodeId'
    | 'remoteId'
    | 'attempts'
    | 'avoid'
    | 'sentOn'
    | 'reason'
    | 'delegatedOn'
    | 'startedOn'
    | 'completedOn'
  >
>;

/** Ends have methods of their own: what belongs to them is written in the same transaction. */
export type DistStep = Exclude<DistState, 'finished' | 'failed' | 'deleted'>;

/**
 * The distributed tasks in SQL, the truth about them. Each move is one conditional UPDATE, so of two movers one wins;
 * it grows the epoch, and no other change is made: who wins knows that the row was as it held it.
 */
export class DistTasks extends DistTaskQueries {
  readonly #ageingMs: number;

  /** `ageingMs`: so long a wait makes up for one step of priority. */
  constructor(db: DataSource, { ageingMs }: { readonly ageingMs: number }) {
    super(db);
    this.#ageingMs = ageingMs;
  }

  /** Inside a transaction: stores the task, pending; with `nodeId` it may run there only. @throws BAD_REQUEST: that node is gone */
  async insert(db: EntityManager, submission: DistSubmission, nodeId: number | null): Promise<DistTaskRow> {
    return insertDistTask(db, submission, { nodeId, ageingMs: this.#ageingMs });
  }

  /**
   * Null: somebody else moved it, or the node it was to go to is gone. Back to `pending` it keeps no node but one it is
   * pinned to; when it was on one, it has a new mark: a node may know the old one again.
   */
  async move(task: Held, to: DistStep, changes: DistChanges = {}): Promise<DistTaskRow | null> {
    const [moved] = await write(this.db, (db) =>
      changedRows(db, DistTaskRow, updateOf(db, task, to, { ...(to === 'pending' && BACK), ...changes })),
    );
    return moved ?? null;
  }

  /** Says what it meets with, where it is: no move. */
  async note({ id, epoch }: Held, reason: string): Promise<void> {
    await write(this.db, (db) => db.update(DistTaskRow, { id, epoch }, { reason }));
  }

  /** A copy of it that is no use to anybody is on that node, or will be: it is to be deleted. */
  async leftBehind({ nodeId, mark }: Pick<DistTaskRow, 'nodeId' | 'mark'>, remoteId: number): Promise<void> {
    if (nodeId === null) return;
    await transaction(this.db, async (db) => {
      if (await holdNode(db, nodeId)) await insertRemoval(db, { nodeId, mark, remoteId });
    });
  }

  /** fetching → finished: its reports are here, and its copy on the node is to be deleted. False: somebody else moved it. */
  async finish(task: DistTaskRow, reports: readonly KeptReport[]): Promise<boolean> {
    return transaction(this.db, async (db) => {
      if (!(await changed(db, task, 'finished', { reason: null, completedOn: new Date() }))) return false;
      await putReports(db, task.id, reports);
      await putRemoval(db, task);
      return true;
    });
  }

  /**
   * It has ended, and why. `reports` are those that are here all the same; `clean`: its copy on the node, if there may
   * be one, is to be deleted. False: somebody else moved it.
   */
  async fail(
    task: DistTaskRow,
    reason: string,
    { reports = [], clean }: { readonly reports?: readonly KeptReport[]; readonly clean: boolean },
  ): Promise<boolean> {
    return transaction(this.db, async (db) => {
      const remains = mayBeOnNode(task) && !clean;
      if (!(await changed(db, task, 'failed', { reason, remains, completedOn: new Date() }))) return false;
      await putReports(db, task.id, reports);
      if (clean) await putRemoval(db, task);
      return true;
    });
  }

  /**
   * Back to `pending`, and why; a pinned one keeps its node. What may be of it on the node is to be deleted there, and
   * is not taken for it any more: it has a new mark. False: somebody else moved it.
   */
  async giveUp(task: DistTaskRow, reason: string, attempts = task.attempts): Promise<boolean> {
    return transaction(this.db, async (db) => {
      const back = { ...BACK, reason, attempts, avoid: withNode(task), mark: newMark() };
      if (!(await changed(db, task, 'pending', back))) return false;
      await putRemoval(db, task);
      return true;
    });
  }

  /** From any state. Its row stays, those of its reports go, and what may be of it on a node is to be deleted there. */
  async delete(id: number): Promise<'deleted' | 'unknown' | 'already'> {
    // Whoever moves it in between brings it nearer to its end: this does not go on for long.
    for (;;) {
      const task = await this.find(id);
      if (!task) return 'unknown';
      if (task.state === 'deleted') return 'already';
      const isDeleted = await transaction(this.db, async (db) => {
        if (!(await changed(db, task, 'deleted', { remains: false }))) return false;
        await db.delete(DistReportRow, { taskId: id });
        await putRemoval(db, task);
        return true;
      });
      if (isDeleted) return 'deleted';
    }
  }
}

const BACK = {
  nodeId: () => 'CASE WHEN pinned THEN node_id END',
  remoteId: null,
  delegatedOn: null,
  startedOn: null,
  mark: () => `CASE WHEN state IN ('processing', 'fetching') THEN :newMark ELSE mark END`,
};

function updateOf(
  db: EntityManager,
  { id, epoch }: Held,
  to: DistState,
  changes: QueryDeepPartialEntity<DistTaskRow>,
): UpdateQueryBuilder<DistTaskRow> {
  const from = DIST_STATES.filter((state) => mayMove(state, to)).map((state) => `'${state}'`);
  const update = db
    .createQueryBuilder()
    .update(DistTaskRow)
    .set({ ...changes, state: to, epoch: () => 'epoch + 1' })
    .where(`id = :id AND epoch = :epoch AND state IN (${from.join()})`, { id, epoch, newMark: newMark() });
  // Nobody removes the node before it is seen that a task is on it.
  if (to === 'assigned') update.andWhere(`EXISTS (${heldNode(db, nodeIn(changes))})`);
  return update;
}

/** A pinned one has it already. */
function nodeIn({ nodeId }: QueryDeepPartialEntity<DistTaskRow>): number | 'dist_tasks.node_id' {
  return typeof nodeId === 'number' ? nodeId : 'dist_tasks.node_id';
}

async function changed(
  db: EntityManager,
  task: DistTaskRow,
  to: DistState,
  changes: QueryDeepPartialEntity<DistTaskRow>,
): Promise<boolean> {
  return (await updateOf(db, task, to, changes).execute()).affected === 1;
}

/** The nodes it has bad experience with, and now this one too. */
export function withNode({ avoid, nodeId }: Pick<DistTaskRow, 'avoid' | 'nodeId'>): readonly number[] {
  return nodeId === null || avoid.includes(nodeId) ? avoid : [...avoid, nodeId];
}

function mayBeOnNode({ state, remains }: DistTaskRow): boolean {
  return remains || ['sending', 'processing', 'fetching'].includes(state);
}

async function putReports(db: EntityManager, taskId: number, reports: readonly KeptReport[]): Promise<void> {
  if (reports.length === 0) return;
  const rows = reports.map(({ format, size, sha256 }) => ({ taskId, format, size, sha256 }));
  await db.insert(DistReportRow, rows);
}

/** Of the copy that `task` has on its node, or may have; none when the node was removed. */
async function putRemoval(db: EntityManager, task: DistTaskRow): Promise<void> {
  const { nodeId, remoteId, mark } = task;
  if (nodeId === null || !mayBeOnNode(task)) return;
  if (!(await holdNode(db, nodeId))) return;
  await insertRemoval(db, { nodeId, remoteId, mark });
}

async function insertRemoval(
  db: EntityManager,
  copy: Pick<RemovalRow, 'nodeId' | 'remoteId' | 'mark'>,
): Promise<void> {
  const now = new Date();
  await db.insert(RemovalRow, { ...copy, createdOn: now, attempts: 0, dueOn: now, lastError: null });
}
