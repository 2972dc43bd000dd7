import { In, type SelectQueryBuilder } from 'typeorm';
import { utcText } from '#storage/columns.js';
import { entityOf } from './changed-rows.js';
import { DistReportRow, DistTaskRow } from './entities/dist-task.entity.js';
import { EVERY_RANGE, idsInRanges, rangesOfStates, rangesOfStatuses, type Range } from './status-ranges.js';
import { Removals } from './removals.js';
import { taskCounts, type Counts, type CountsOf } from './task-counts.js';
import { DIST_ENDED, ON_NODE, PUBLIC_STATUSES, type DistState, type PublicStatus } from './task.js';

export interface DistTaskQuery {
  readonly offset?: number;
  readonly limit?: number;
  /** Only ids greater than this one: where a long list goes on. */
  readonly after?: number;
  /** True: `finished`. False: neither finished, nor failed, nor deleted. */
  readonly finished?: boolean;
  readonly status?: PublicStatus;
  readonly owner?: string;
  readonly priority?: number;
}

type OnNode = 'assigned' | 'sending' | 'processing' | 'fetching';
export type NodeLoad = Record<OnNode, number>;

/** Named so by the partial indexes: a database takes one of them only for its very words. */
const IS_WAITING = `task.state = 'pending'`;
const IS_ON_NODE = `task.state IN ('assigned', 'sending', 'processing', 'fetching')`;
const IS_REMOTE = `task.state IN ('sending', 'processing', 'fetching')`;
const IS_UNFINISHED = `task.state NOT IN ('finished', 'failed', 'deleted')`;
const HAS_ENDED = `task.state IN ('finished', 'failed')`;

const ALL = Number.MAX_SAFE_INTEGER;

/** Everything that is asked about tasks. Each question is answered from an index, whatever the tables hold. */
export class DistTaskQueries extends Removals {
  async find(id: number): Promise<DistTaskRow | null> {
    return this.db.manager.findOneBy(DistTaskRow, { id });
  }

  /** By id. */
  async list(query: DistTaskQuery): Promise<DistTaskRow[]> {
    const { limit = ALL, offset = 0, after, owner, priority } = query;
    const conditions = [
      ...(after === undefined ? [] : ['id > :after']),
      ...(owner === undefined ? [] : ['owner = :owner']),
      ...(priority === undefined ? [] : ['priority = :priority']),
    ];
    const where = ['1 = 1', ...conditions].join(' AND ');
    const isPlain = owner === undefined && priority === undefined;
    const ranges = rangesOf(query) ?? (isPlain ? null : EVERY_RANGE);
    const ids = ranges
      ? idsInRanges(ranges, where, { limit, offset })
      : `SELECT id FROM dist_tasks WHERE ${where} ORDER BY id LIMIT ${limit} OFFSET ${offset}`;
    return this.#byIds(ids, { after, owner, priority });
  }

  async counts(): Promise<Counts> {
    return (await this.countsOf(new Date())).all;
  }

  /** `midnight`: where today began. */
  async countsOf(midnight: Date): Promise<CountsOf> {
    return taskCounts(this.db, midnight);
  }

  /** Lanes in which tasks wait, and how many. */
  async lanes(): Promise<{ readonly lane: string; readonly waiting: number }[]> {
    const rows = await this.#tasks()
      .select('task.lane', 'lane')
      .addSelect('COUNT(*)', 'waiting')
      .where(IS_WAITING)
      .groupBy('task.lane')
      .getRawMany<{ lane: string; waiting: number | string }>();
    return rows.map(({ lane, waiting }) => ({ lane, waiting: Number(waiting) }));
  }

  /** Who waits in a lane, first who goes first. */
  async heads(lane: string, limit: number): Promise<DistTaskRow[]> {
    const query = this.#tasks().where(`${IS_WAITING} AND task.lane = :lane`, { lane });
    return this.#read(query.orderBy('task.rank').addOrderBy('task.id').limit(limit));
  }

  /** How many tasks each node has, by its id. */
  async load(): Promise<Map<number, NodeLoad>> {
    const rows = await this.#tasks()
      .select('task.node_id', 'node')
      .addSelect('task.state', 'state')
      .addSelect('COUNT(*)', 'n')
      .where(IS_ON_NODE)
      .groupBy('task.node_id')
      .addGroupBy('task.state')
      .getRawMany<{ node: number; state: OnNode; n: number | string }>();
    const load = new Map<number, NodeLoad>();
    for (const { node, state, n } of rows) {
      const ofNode = load.get(node) ?? { assigned: 0, sending: 0, processing: 0, fetching: 0 };
      load.set(node, { ...ofNode, [state]: Number(n) });
    }
    return load;
  }

  /** How many tasks wait for each node that may run there only, by its id. */
  async waitingFor(): Promise<Map<number, number>> {
    const rows = await this.#tasks()
      .select('task.node_id', 'node')
      .addSelect('COUNT(*)', 'n')
      .where(`${IS_WAITING} AND task.pinned = true`)
      .groupBy('task.node_id')
      .getRawMany<{ node: number; n: number | string }>();
    return new Map(rows.map(({ node, n }) => [node, Number(n)]));
  }

  /** Tasks of a node, by id. */
  async onNode(nodeId: number, states: readonly DistState[], limit = ALL): Promise<DistTaskRow[]> {
    const query = this.#tasks().where({ nodeId, state: In([...states]) });
    if (states.every((state) => ON_NODE.includes(state))) query.andWhere(IS_ON_NODE);
    return this.#read(query.orderBy('task.id').limit(limit));
  }

  /** A page of the tasks in these states, by id, after the id `after`. */
  async inState(states: readonly DistState[], after: number, limit: number): Promise<DistTaskRow[]> {
    const ids = idsInRanges(rangesOfStates(states), 'id > :after', { limit, offset: 0 });
    return this.#byIds(ids, { after });
  }

  /** Which task a node has by this id; none that is done with there: a reinstalled node begins anew with its ids. */
  async byRemote(nodeId: number, remoteId: number): Promise<DistTaskRow | null> {
    return this.#tasks().where({ nodeId, remoteId }).andWhere(IS_REMOTE).orderBy('task.id').getOne();
  }

  /** Of these files, those that a task needs that has not ended: a page at most, each is a parameter. */
  async samplesInUse(hashes: readonly string[]): Promise<Set<string>> {
    if (hashes.length === 0) return new Set();
    const query = this.#tasks().select('task.sha256', 'sha256').distinct();
    query.where({ sha256: In([...hashes]) }).andWhere(IS_UNFINISHED);
    return new Set((await query.getRawMany<{ sha256: string }>()).map(({ sha256 }) => sha256));
  }

  /** Of these tasks, those that are there and not deleted: a page at most, each is a parameter. */
  async notDeleted(ids: readonly number[]): Promise<Set<number>> {
    if (ids.length === 0) return new Set();
    const query = this.#tasks()
      .select('task.id', 'id')
      .where({ id: In([...ids]) });
    const rows = await query.andWhere(`task.state <> 'deleted'`).getRawMany<{ id: number }>();
    return new Set(rows.map(({ id }) => id));
  }

  /** Finished or failed before then, the oldest first. */
  async expired(before: Date, limit: number): Promise<DistTaskRow[]> {
    const query = this.#tasks().where(`${HAS_ENDED} AND task.completed_on < :before`, {
      before: utcText(before),
    });
    return this.#read(query.orderBy('task.completed_on').addOrderBy('task.id').limit(limit));
  }

  async reports(taskId: number): Promise<DistReportRow[]> {
    return this.reportsOf([taskId]);
  }

  /** Of several tasks, a page of them at most: each id is a parameter. */
  async reportsOf(taskIds: readonly number[]): Promise<DistReportRow[]> {
    if (taskIds.length === 0) return [];
    return this.db.manager.find(DistReportRow, {
      where: { taskId: In([...taskIds]) },
      order: { taskId: 'ASC', format: 'ASC' },
    });
  }

  #tasks(): SelectQueryBuilder<DistTaskRow> {
    return this.db.createQueryBuilder(DistTaskRow, 'task');
  }

  async #byIds(sql: string, values: Readonly<Record<string, unknown>>): Promise<DistTaskRow[]> {
    return this.#read(this.#tasks().where(`task.id IN (${sql})`, values).orderBy('task.id'));
  }

  async #read(query: SelectQueryBuilder<DistTaskRow>): Promise<DistTaskRow[]> {
    const rows = await query.select('task.*').getRawMany<Record<string, unknown>>();
    return rows.map((row) => entityOf(this.db.manager, DistTaskRow, row));
  }
}

/** Null: whatever their state. */
function rangesOf({ status, finished }: DistTaskQuery): readonly Range[] | null {
  if (status !== undefined) return rangesOfStatuses([status]);
  if (finished === undefined) return null;
  if (finished) return rangesOfStatuses(['finished']);
  return rangesOfStatuses(PUBLIC_STATUSES.filter((one) => !(DIST_ENDED as readonly string[]).includes(one)));
}
