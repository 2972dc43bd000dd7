import DataLoader from 'dataloader';
import { In, type DataSource } from 'typeorm';
import type { QueryDeepPartialEntity } from 'typeorm/query-builder/QueryPartialEntity.js';
import { SandboxError, type ErrorCode } from '#domain/errors.js';
import { outcomeOf } from '#domain/outcome.js';
import {
  canMove,
  TASK_STATUSES,
  type Sample,
  type Submission,
  type Task,
  type TaskStatus,
} from '#domain/task.js';
import { utcText } from './columns.js';
import { GuestRow } from './entities/guest.entity.js';
import { TaskRow } from './entities/task.entity.js';
import { insertSample, insertTask } from './insert-task.js';
import { readTasks, type StoredTask } from './read-tasks.js';
import { putError, Runs } from './runs.js';
import type {
  MoveFields,
  ListPlace,
  TaskCounts,
  TaskDetails,
  TaskFilter,
  TaskLease,
} from './task-details.js';
import { transaction, write } from './turns.js';

/** Tasks loaded at a time when a list has no limit. */
const PAGE = 200;

export interface PageWanted {
  readonly limit: number;
  readonly offset?: number;
  /** Only what comes after it. */
  readonly after?: ListPlace | null;
}

/** The tasks in SQL, the truth about them. A status changes by one conditional UPDATE, so of two movers one wins. */
export class Tasks {
  /** Those who look at tasks in the same turn of the event loop share one query. */
  readonly #stored: DataLoader<number, StoredTask | null>;
  readonly runs: Runs;

  /** `onChange` hears of every status a task gets through this object, once it is committed. */
  constructor(
    private readonly db: DataSource,
    private readonly onChange: (task: number, status: TaskStatus | 'deleted') => void = () => {},
  ) {
    this.runs = new Runs(db, onChange);
    this.#stored = new DataLoader(
      async (ids) => {
        const found = await readTasks(db.manager, ids);
        return ids.map((id) => found.get(id) ?? null);
      },
      { cache: false, batchScheduleFn: (load) => setImmediate(load), maxBatchSize: PAGE },
    );
  }

  /** Stores the task, pending, and its sample unless the content is known. */
  async create(submission: Submission, sample: Omit<Sample, 'id'> | null): Promise<Task> {
    const id = await transaction(this.db, async (db) => {
      const sampleId = sample && (await insertSample(db, sample)).id;
      return insertTask(db, submission, { sampleId });
    });
    this.onChange(id, 'pending');
    return this.get(id);
  }

  /** For who changed a task in a transaction of their own: says so, once that is committed. */
  announce(id: number, status: TaskStatus): void {
    this.onChange(id, status);
  }

  /** @throws TASK_NOT_FOUND */
  async get(id: number): Promise<Task> {
    const found = await this.#stored.load(id);
    if (!found) throw new SandboxError('TASK_NOT_FOUND', `there is no task ${id}`);
    return found.task;
  }

  async find(id: number): Promise<StoredTask | null> {
    return this.#stored.load(id);
  }

  /** Cheap: for those who wait. */
  async status(id: number): Promise<TaskStatus | null> {
    const row = await this.db.manager.findOne(TaskRow, { select: { id: true, status: true }, where: { id } });
    return row?.status ?? null;
  }

  /** Statuses of the tasks that exist among `ids`. */
  async statuses(ids: readonly number[]): Promise<ReadonlyMap<number, TaskStatus>> {
    const rows = await this.db.manager.find(TaskRow, {
      select: { id: true, status: true },
      where: { id: In([...ids]) },
    });
    return new Map(rows.map((row) => [row.id, row.status]));
  }

  /** A page of the tasks, unfinished ones first by id, then by completion; `next` is where the next page begins. */
  async page(
    filter: TaskFilter,
    { limit, offset = 0, after = null }: PageWanted,
  ): Promise<{ readonly tasks: readonly TaskDetails[]; readonly next: ListPlace | null }> {
    const places: ListPlace[] = [];
    for (const part of partsAfter(after)) {
      if (places.length < limit)
        places.push(...(await this.#places(filter, part, limit - places.length, offset)));
    }
    const tasks = await this.#read(places.map((place) => place.id));
    return { tasks, next: places.length < limit ? null : (places.at(-1) ?? null) };
  }

  /** All of them, or `limit` from `offset` on, a page at a time: a list without limit may be long. */
  async *list(
    filter: TaskFilter = {},
    { limit = Infinity, offset = 0 }: { limit?: number; offset?: number } = {},
  ): AsyncGenerator<TaskDetails> {
    let after: ListPlace | null = null;
    for (let left = limit; left > 0; left -= PAGE) {
      const from = after === null ? { offset } : { after };
      const { tasks, next } = await this.page(filter, { ...from, limit: Math.min(PAGE, left) });
      yield* tasks;
      if (next === null) return;
      after = next;
    }
  }

  /** Kept by triggers: as cheap with a million tasks as with none. */
  async counts(): Promise<TaskCounts> {
    const rows = await this.db.query<{ status: TaskStatus; n: number | string }[]>(
      'SELECT status, SUM(n) AS n FROM task_counts GROUP BY status',
    );
    const stored = new Map(rows.map(({ status, n }) => [status, Number(n)]));
    const counts = Object.fromEntries(
      TASK_STATUSES.map((status) => [status, stored.get(status) ?? 0]),
    ) as Record<TaskStatus, number>;
    return { ...counts, total: Object.values(counts).reduce((sum, n) => sum + n, 0) };
  }

  /**
   * Moves the task if it still is `from` (and, when an epoch is given, still that run). False: somebody else was first.
   * Moving to `pending` takes the run back; what ends the analysis sets completed_on.
   */
  async move(
    id: number,
    from: TaskStatus,
    to: TaskStatus,
    { epoch, ...fields }: MoveFields & { readonly epoch?: number } = {},
  ): Promise<boolean> {
    if (!canMove(from, to)) throw new TypeError(`a task never goes from ${from} to ${to}`);
    const ends = from === 'running' ? { worker: null } : {};
    const restarts = to === 'pending' ? { startedOn: null } : {};
    const ended = to === 'failed_analysis' || (from === 'running' && to !== 'pending');
    const done = ended ? { completedOn: new Date() } : {};
    return this.#update(
      { id, status: from, ...(epoch !== undefined && { epoch }) },
      { status: to, ...ends, ...restarts, ...done, ...fields },
    );
  }

  /**
   * pending or running → failed_analysis, with `message` among its errors. Null: it is neither (any more). Whoever runs
   * it (`worker`) finds that it is not the task's any more, whichever run it is; its name stays until that has stopped.
   */
  async cancel(id: number, message: string): Promise<{ readonly worker: string | null } | null> {
    const ended = await transaction(this.db, async (db) => {
      const set = { status: 'failed_analysis', outcome: 'cancelled', completedOn: new Date() } as const;
      const where = { id, status: In(['pending', 'running']) };
      const { affected } = await db.update(TaskRow, where, set);
      if (affected !== 1) return null;
      const row = await db.findOneOrFail(TaskRow, { select: { id: true, worker: true }, where: { id } });
      await putError(db, id, { action: 'CANCELLED', message });
      await db.update(GuestRow, { taskId: id, status: 'running' }, { status: 'stopping' });
      return { worker: row.worker };
    });
    if (ended !== null) this.onChange(id, 'failed_analysis');
    return ended;
  }

  /** Ids of the tasks of one status, after `afterId`: how the reconciler walks them. */
  async idsOf(status: TaskStatus, afterId: number, limit: number): Promise<number[]> {
    const rows = await this.db
      .createQueryBuilder(TaskRow, 'task')
      .select('task.id', 'id')
      .where('task.status = :status AND task.id > :afterId', { status, afterId })
      .orderBy('task.id')
      .limit(limit)
      .getRawMany<{ id: number }>();
    return rows.map((row) => row.id);
  }

  /** What the queues need to know of tasks, and who runs them. */
  async leases(ids: readonly number[]): Promise<TaskLease[]> {
    return (await this.#read(ids)).map((stored) => stored.lease);
  }

  /** Running tasks of workers that have no row: asked in one, a worker that is new cannot be taken for one that is gone. */
  async abandoned(): Promise<TaskLease[]> {
    const rows = await this.db
      .createQueryBuilder(TaskRow, 'task')
      .select('task.id', 'id')
      .where({ status: 'running' })
      .andWhere('(task.worker IS NULL OR task.worker NOT IN (SELECT id FROM workers))')
      .orderBy('task.id')
      .limit(PAGE)
      .getRawMany<{ id: number }>();
    return this.leases(rows.map((row) => row.id));
  }

  /** pending → failed_analysis: it can never run. False: it is not pending (any more). */
  async refuse(id: number, code: ErrorCode, message: string): Promise<boolean> {
    const outcome = outcomeOf(code);
    const won = await transaction(this.db, async (db) => {
      const set = { status: 'failed_analysis' as const, completedOn: new Date(), outcome };
      const { affected } = await db.update(TaskRow, { id, status: 'pending' }, set);
      if (affected === 1) await putError(db, id, { action: code, message });
      return affected === 1;
    });
    if (won) this.onChange(id, 'failed_analysis');
    return won;
  }

  /** completed → failed_processing: its report cannot be made. False: it is not completed (any more). */
  async failProcessing(id: number, message: string): Promise<boolean> {
    const set = { status: 'failed_processing', outcome: 'processing_failed' } as const;
    const won = await transaction(this.db, async (db) => {
      const { affected } = await db.update(TaskRow, { id, status: 'completed' }, set);
      if (affected === 1) await putError(db, id, { action: 'PROCESSING_FAILED', message });
      return affected === 1;
    });
    if (won) this.onChange(id, 'failed_processing');
    return won;
  }

  /** For people; `action` is a short word for programs, often an error code. */
  async addError(taskId: number, action: string | null, message: string): Promise<void> {
    await write(this.db, (db) => putError(db, taskId, { action, message }));
  }

  /**
   * Removes the row with its errors and guest, if its status is one of `when`, and no worker that lives has yet to stop
   * a run of it: that one would write into its folder.
   */
  async delete(id: number, when: readonly TaskStatus[]): Promise<boolean> {
    const { affected } = await write(this.db, (db) =>
      db
        .createQueryBuilder()
        .delete()
        .from(TaskRow)
        .where({ id, status: In([...when]) })
        .andWhere('(worker IS NULL OR worker NOT IN (SELECT id FROM workers))')
        .execute(),
    );
    if (affected === 1) this.onChange(id, 'deleted');
    return affected === 1;
  }

  async #update(
    where: { readonly id: number } & Partial<TaskRow>,
    set: { readonly status: TaskStatus } & QueryDeepPartialEntity<TaskRow>,
  ): Promise<boolean> {
    const { affected } = await write(this.db, (db) => db.update(TaskRow, where, set));
    if (affected === 1) this.onChange(where.id, set.status);
    return affected === 1;
  }

  async #places(
    { status, owner, sampleId, completedAfter }: TaskFilter,
    { condition, values }: Part,
    limit: number,
    offset: number,
  ): Promise<ListPlace[]> {
    const query = this.db
      .createQueryBuilder(TaskRow, 'task')
      .select('task.id', 'id')
      .addSelect('task.completed_on', 'completedOn')
      .where(condition, values);
    if (status !== undefined) query.andWhere('task.status = :status', { status });
    if (owner !== undefined) query.andWhere('task.owner = :owner', { owner });
    if (sampleId !== undefined) query.andWhere('task.sampleId = :sampleId', { sampleId });
    if (completedAfter !== undefined) {
      query.andWhere('task.completedOn > :completedAfter', { completedAfter: utcText(completedAfter) });
    }
    return query
      .orderBy('task.completedOn', 'ASC', 'NULLS FIRST')
      .addOrderBy('task.id')
      .limit(limit)
      .offset(offset)
      .getRawMany<ListPlace>();
  }

  /** In the order of `ids`; those that are gone are left out. */
  async #read(ids: readonly number[]): Promise<StoredTask[]> {
    const found = await readTasks(this.db.manager, ids);
    return ids.flatMap((id) => found.get(id) ?? []);
  }
}

interface Part {
  readonly condition: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** What comes after a place, in order. Each part is one range of an index; as one condition with OR they would be none. */
function partsAfter(place: ListPlace | null): readonly Part[] {
  if (place === null) return [{ condition: '1 = 1', values: {} }];
  const { id, completedOn } = place;
  if (completedOn !== null)
    return [{ condition: '(task.completed_on, task.id) > (:completedOn, :id)', values: { completedOn, id } }];
  return [
    { condition: 'task.completed_on IS NULL AND task.id > :id', values: { id } },
    { condition: 'task.completed_on IS NOT NULL', values: {} },
  ];
}
