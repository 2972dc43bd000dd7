import { LessThanOrEqual, type DataSource } from 'typeorm';
import { utcText } from '#storage/columns.js';
import { write } from '#storage/turns.js';
import { backOff } from './back-off.js';
import { RemovalRow } from './entities/dist-task.entity.js';

const FIRST_DELAY_MS = 5_000;
const LONGEST_DELAY_MS = 600_000;

/** What is still to be deleted on nodes. */
export class Removals {
  constructor(protected readonly db: DataSource) {}

  /** Those of a node that are due, the one that waits longest first. */
  async removals(nodeId: number, limit: number): Promise<RemovalRow[]> {
    return this.db.manager.find(RemovalRow, {
      where: { nodeId, dueOn: LessThanOrEqual(new Date()) },
      order: { dueOn: 'ASC', id: 'ASC' },
      take: limit,
    });
  }

  /** Null: it is done. */
  async removal(id: number): Promise<RemovalRow | null> {
    return this.db.manager.findOneBy(RemovalRow, { id });
  }

  /** Nodes that have one that is due. */
  async nodesWithRemovals(): Promise<number[]> {
    const rows = await this.db
      .createQueryBuilder()
      .select('node.id', 'id')
      .from('nodes', 'node')
      .where('EXISTS (SELECT 1 FROM dist_removals WHERE node_id = node.id AND due_on <= :now)', {
        now: utcText(new Date()),
      })
      .orderBy('node.id')
      .getRawMany<{ id: number }>();
    return rows.map(({ id }) => id);
  }

  /** How many there are, due or not, by the node they are for. */
  async removalsByNode(): Promise<Map<number, number>> {
    const rows = await this.db.query<{ node: number; n: number | string }[]>(
      'SELECT node_id AS node, COUNT(*) AS n FROM dist_removals GROUP BY node_id',
    );
    return new Map(rows.map(({ node, n }) => [node, Number(n)]));
  }

  /** It is deleted on the node. */
  async removed(id: number): Promise<void> {
    await write(this.db, (db) => db.delete(RemovalRow, { id }));
  }

  /** It did not work: again in 5 s, then 10 s, and so on, at most 10 min. */
  async postpone(id: number, error: string): Promise<void> {
    const row = await this.db.manager.findOneBy(RemovalRow, { id });
    if (!row) return; // somebody else's attempt did
    const attempts = row.attempts + 1;
    const delay = backOff(attempts, FIRST_DELAY_MS, LONGEST_DELAY_MS);
    const dueOn = new Date(Date.now() + delay);
    await write(this.db, (db) => db.update(RemovalRow, { id }, { attempts, dueOn, lastError: error }));
  }
}
